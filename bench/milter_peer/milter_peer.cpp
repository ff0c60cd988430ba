#include "milter_peer/milter_peer.h"

#include <array>
#include <utility>

namespace sluice::peer {
namespace {

// Postfix's default lists, by macro stage.
constexpr std::array<std::string_view, kMacroStages> kDefaultMacros = {
    " j {daemon_name} {daemon_addr} v _ ",
    " {tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer} ",
    " i {auth_type} {auth_authen} {mail_addr} {mail_host} {mail_mailer} ",
    " i {rcpt_addr} {rcpt_host} {rcpt_mailer} ",
    " i ",
    " i ",
    " i ",
};

bool is_default_macro(std::size_t stage, const std::string& name) {
  return kDefaultMacros[stage].find(" " + name + " ") != std::string_view::npos;
}

}  // namespace

Result<MilterPeer> MilterPeer::attach(const Endpoint& endpoint, const Offer& offer,
                                      std::chrono::milliseconds timeout) {
  auto link = Link::open(endpoint);
  if (!link) return tl::unexpected(link.error());
  MilterPeer peer(std::move(*link), timeout);
  if (auto done = peer.negotiate(offer); !done) return tl::unexpected(done.error());
  return peer;
}

Result<void> MilterPeer::negotiate(const Offer& offer) {
  std::string out;
  append_negotiate(out, offer);
  if (auto sent = link_.send(out, timeout_); !sent) return sent;
  const auto frame = next_frame();
  if (!frame) return tl::unexpected(frame.error());
  if (!*frame) return temporary("negotiate: the filter closed the connection");
  if ((*frame)->code != static_cast<char>(Command::Negotiate))
    return permanent(std::string("negotiate: answered with ") + (*frame)->code);
  const auto negotiation = parse_negotiation((*frame)->body);
  if (!negotiation) return permanent("negotiate: malformed answer");
  if ((negotiation->steps & ~offer.steps) != 0 || (negotiation->actions & ~offer.actions) != 0)
    return permanent("negotiate: the filter asks for what was not offered");
  negotiation_ = *negotiation;
  return {};
}

void MilterPeer::know_macro(std::string name, std::string value) {
  macros_[std::move(name)] = std::move(value);
}

void MilterPeer::forget_macro(const std::string& name) { macros_.erase(name); }

// Nothing: the filter has closed the connection.
Result<std::optional<Frame>> MilterPeer::next_frame() {
  while (true) {
    if (const auto frame = frames_.next()) return frame;
    if (frames_.is_broken()) return permanent("the filter sent a frame of an impossible length");
    const auto bytes = link_.receive(timeout_);
    if (!bytes) return tl::unexpected(bytes.error());
    if (bytes->empty()) return std::nullopt;
    frames_.feed(*bytes);
  }
}

Result<Answer> MilterPeer::read_answer() {
  Answer answer;
  while (true) {
    const auto frame = next_frame();
    if (!frame) return tl::unexpected(frame.error());
    if (!*frame) {
      answer.kind = Answer::Kind::Closed;
      return answer;
    }
    const AnswerPart part = part_of(**frame);
    if (part == AnswerPart::Progress) {
      ++answer.progress;
    } else if (part == AnswerPart::Edit) {
      auto edit = parse_edit(**frame);
      if (!edit) return permanent(std::string("malformed edit ") + (*frame)->code);
      answer.edits.push_back(std::move(*edit));
    } else if (part == AnswerPart::Final) {
      answer.kind = Answer::Kind::Final;
      answer.code = static_cast<AnswerCode>((*frame)->code);
      if (answer.code != AnswerCode::ReplyCode) return answer;
      if (!(*frame)->body.ends_with('\0')) return permanent("reply without its NUL");
      answer.reply = (*frame)->body.substr(0, (*frame)->body.size() - 1);
      return answer;
    } else {
      return permanent(std::string("no filter may answer ") + (*frame)->code);
    }
  }
}

void MilterPeer::append_macros_for(Event event, std::string& out) const {
  const int stage = rule_of(event).macro_stage;
  if (stage < 0) return;
  const auto index = static_cast<std::size_t>(stage);
  Macros sent;
  if (const auto& wanted = negotiation_.macros[index]) {
    for (const std::string& name : *wanted)
      if (const auto macro = macros_.find(name); macro != macros_.end()) sent.push_back(*macro);
  } else {
    for (const auto& macro : macros_)
      if (is_default_macro(index, macro.first)) sent.push_back(macro);
  }
  if (!sent.empty()) append_macros(out, rule_of(event).command, sent);
}

Result<Answer> MilterPeer::ask_frame(Event event, const std::string& frame) {
  if (!negotiation_.takes(event)) return Answer{};
  std::string out;
  append_macros_for(event, out);
  out += frame;
  if (auto sent = link_.send(out, timeout_); !sent) {
    // The filter may have answered and gone (a refused connection): then that is the answer.
    Answer closed;
    closed.kind = Answer::Kind::Closed;
    return closed;
  }
  if (!negotiation_.answers(event)) return Answer{};
  return read_answer();
}

Result<Answer> MilterPeer::ask(Event event, const std::vector<std::string_view>& texts) {
  std::string frame;
  append_texts(frame, rule_of(event).command, texts);
  return ask_frame(event, frame);
}

Result<Answer> MilterPeer::connect(const ClientAddress& client) {
  std::string frame;
  append_connect(frame, client);
  return ask_frame(Event::Connect, frame);
}

Result<Answer> MilterPeer::helo(std::string_view name) { return ask(Event::Helo, {name}); }

Result<Answer> MilterPeer::mail(const std::vector<std::string_view>& arguments) {
  body_skipped_ = false;
  return ask(Event::Mail, arguments);
}

Result<Answer> MilterPeer::rcpt(const std::vector<std::string_view>& arguments) {
  return ask(Event::Rcpt, arguments);
}

Result<Answer> MilterPeer::data() { return ask(Event::Data, {}); }

Result<Answer> MilterPeer::header(std::string_view name, std::string_view value) {
  return ask(Event::Header, {name, value});
}

Result<Answer> MilterPeer::end_of_headers() { return ask(Event::EndOfHeaders, {}); }

Result<Answer> MilterPeer::body(std::string_view chunk) {
  if (body_skipped_) return Answer{};
  std::string frame;
  append_body(frame, chunk);
  auto answer = ask_frame(Event::Body, frame);
  body_skipped_ = answer && answer->is(AnswerCode::Skip);
  return answer;
}

Result<Answer> MilterPeer::end_of_body() { return ask(Event::EndOfBody, {}); }

Result<Answer> MilterPeer::unknown(std::string_view line) { return ask(Event::Unknown, {line}); }

Result<void> MilterPeer::abort() {
  body_skipped_ = false;
  std::string out;
  append_bare(out, Command::Abort);
  return link_.send(out, timeout_);
}

Result<void> MilterPeer::quit() {
  std::string out;
  append_bare(out, Command::Quit);
  auto sent = link_.send(out, timeout_);
  link_.close();
  return sent;
}

}  // namespace sluice::peer
