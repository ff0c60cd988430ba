#include "milter/wire_session.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/text.h"
#include "milter/macros.h"
#include "milter/replies.h"
#include "milter/wire_answers.h"

namespace sluice::milter::wire {
namespace {

constexpr std::size_t kMaxHeaderNames = 10'000;

bool removes_headers(const policy::Program& program) {
  for (const policy::Rule& rule : program.rules())
    for (const policy::RuleAction& action : rule.actions)
      if (action.kind == policy::ActionSource::Kind::RemoveHeader) return true;
  return false;
}

}  // namespace

// What may come when, and where the session stands after its answer. The order is libmilter's, but
// for DATA: after a refused one more recipients may come.
struct WireSession::Rule {
  Command command;
  std::uint16_t from;              // positions
  std::uint16_t from_if_declined;  // also these, when the end of headers is declined
  Position next, refused;
  std::uint32_t silent;  // no-reply flag; 0: always answered (or never, when it is Quiet)
  Taken (WireSession::*take)(std::string_view body, engine::Progress& progress, std::string& out);
};

const WireSession::Rule* WireSession::rule_of(char command) {
  using P = Position;
  using W = WireSession;
  constexpr std::uint16_t kIdle = bit(P::Negotiated) | bit(P::Connected) | bit(P::Greeted);
  constexpr std::uint16_t kEnvelope = bit(P::Mail) | bit(P::Rcpt);
  constexpr std::uint16_t kContent =
      bit(P::Data) | bit(P::Headers) | bit(P::EndOfHeaders) | bit(P::Body);
  constexpr std::uint16_t kOpen = kIdle | kEnvelope | kContent;
  constexpr std::uint16_t kBeforeHeaders = bit(P::Rcpt) | bit(P::Data) | bit(P::Headers);
  constexpr std::uint16_t kBeforeBody = bit(P::Rcpt) | bit(P::EndOfHeaders) | bit(P::Body);
  constexpr std::uint16_t kWithoutEnd = bit(P::Data) | bit(P::Headers);
  static constexpr std::array<Rule, 15> kRules{{
      {Command::Macro, kOpen, 0, P::Same, P::Same, 0, &W::macros},
      {Command::Rcpt, kEnvelope, 0, P::Rcpt, P::Rcpt, step::kSilentRcpt, &W::rcpt},
      {Command::Mail, kOpen, 0, P::Mail, P::Greeted, step::kSilentMail, &W::mail},
      {Command::EndOfBody, kBeforeBody, kWithoutEnd, P::Greeted, P::Greeted, 0, &W::end_of_body},
      {Command::Abort, kOpen, 0, P::Greeted, P::Greeted, 0, &W::abort},
      {Command::Header, kBeforeHeaders, 0, P::Headers, P::Greeted, step::kSilentHeader, &W::header},
      {Command::Body, kBeforeBody, kWithoutEnd, P::Body, P::Greeted, step::kSilentBody, &W::body},
      {Command::Data, bit(P::Rcpt), 0, P::Data, P::Rcpt, step::kSilentData, &W::data},
      {Command::EndOfHeaders, kBeforeHeaders, 0, P::EndOfHeaders, P::Greeted,
       step::kSilentEndOfHeaders, &W::end_of_headers},
      {Command::Helo, kOpen, 0, P::Greeted, P::Greeted, step::kSilentHelo, &W::helo},
      {Command::Unknown, kIdle | kEnvelope, 0, P::Same, P::Same, step::kSilentUnknown, &W::unknown},
      {Command::Connect, bit(P::Negotiated), 0, P::Connected, P::Greeted, step::kSilentConnect,
       &W::connect},
      {Command::Negotiate, bit(P::Fresh), 0, P::Negotiated, P::Fresh, 0, &W::negotiate},
      {Command::Quit, kOpen | bit(P::Fresh), 0, P::Same, P::Same, 0, &W::quit},
      {Command::QuitForNewConnection, kIdle, 0, P::Negotiated, P::Fresh, 0, &W::quit_for_new},
  }};
  for (const Rule& rule : kRules)
    if (static_cast<char>(rule.command) == command) return &rule;
  return nullptr;
}

WireSession::~WireSession() { end_session(); }

bool WireSession::begin_session() {
  end_session();
  session_ = shared_.source->begin();
  if (!session_) return false;
  ++shared_.open;
  ++shared_.served;
  removes_headers_ = removes_headers(session_->program());
  return true;
}

void WireSession::end_session() {
  if (!session_) return;
  session_.reset();
  --shared_.open;
}

bool WireSession::is_between_messages() const {
  return !pending_ && position_ <= Position::Greeted;
}

bool WireSession::is_in_order(const Rule& rule) const {
  if ((rule.from & bit(position_)) != 0) return true;
  return agreement_.is_declined(step::kNoEndOfHeaders) &&
         (rule.from_if_declined & bit(position_)) != 0;
}

// --- frames ---

WireSession::Next WireSession::broken() {
  ++shared_.broken;
  return Next::Close;
}

// The last net: no exception of one session reaches the reactor or another session.
WireSession::Next WireSession::take(const Frame& frame, std::string& out) {
  try {
    return dispatch(frame, out);
  } catch (...) {
    return fail(out);
  }
}

WireSession::Next WireSession::dispatch(const Frame& frame, std::string& out) {
  const Rule* rule = rule_of(frame.command);
  if (rule == nullptr || !is_in_order(*rule)) return broken();
  if (const auto stage = macro_stage_of(frame.command); stage && *stage != MacroStage::EndOfHeaders)
    macros_.forget_from(static_cast<MacroStage>(static_cast<int>(*stage) + 1));
  pending_ = rule;
  engine::Progress progress;
  switch ((this->*rule->take)(frame.body, progress, out)) {
    case Taken::Malformed:
      return broken();
    case Taken::Left:
      return Next::Close;
    case Taken::Quiet:
      go_on(false);
      return Next::Frame;
    case Taken::Passed:
      return say({}, out);
    case Taken::Paused:
      return Next::Park;
    case Taken::Asked:
      break;
  }
  return settle(progress, out);
}

WireSession::Next WireSession::resume(bool deadline_passed, std::string& out) {
  try {
    // A pause in the body is over, or as long as it may be.
    if (pending_->command == Command::Body) return say({}, out);
    engine::Progress progress = session_->resume(deadline_passed);
    return settle(progress, out);
  } catch (...) {
    return fail(out);
  }
}

WireSession::Next WireSession::settle(engine::Progress& progress, std::string& out) {
  if (!progress) return Next::Park;
  if (progress->verdict.delay > Duration{0}) {
    delayed_ = std::make_unique<mail::Verdict>(std::move(progress->verdict));
    return Next::Delay;
  }
  return say(progress->verdict, out);
}

WireSession::Next WireSession::say_delayed(std::string& out) {
  const std::unique_ptr<mail::Verdict> verdict = std::move(delayed_);
  return say(*verdict, out);
}

WireSession::Next WireSession::say(const mail::Verdict& verdict, std::string& out) {
  AnswerWriter writer(agreement_, out);
  const bool is_kept =
      verdict.action == mail::Action::Continue || verdict.action == mail::Action::Quarantine;
  if (pending_->command == Command::EndOfBody && is_kept) {
    for (const mail::Edit& edit : verdict.edits)
      writer.edit(edit, [this](std::string_view name) { return header_count(name); });
  }
  const WireReply reply = to_wire(verdict);
  writer.finish(pending_->silent, reply);
  // A refusal at a silent step stays unsaid, and the MTA goes on.
  const bool is_said = !agreement_.is_declined(pending_->silent);
  go_on(is_said && reply.disposition != Disposition::Continue);
  return Next::Frame;
}

WireSession::Next WireSession::fail(std::string& out) {
  if (pending_ == nullptr || !session_) return Next::Close;
  WireReply reply;
  if (!shared_.failure_accepts) reply.disposition = Disposition::Tempfail;
  AnswerWriter(agreement_, out).finish(pending_->silent, reply);
  go_on(!shared_.failure_accepts && !agreement_.is_declined(pending_->silent));
  return Next::Frame;
}

void WireSession::go_on(bool is_refused) {
  const Position next = is_refused ? pending_->refused : pending_->next;
  if (pending_->command == Command::EndOfBody) forget_message();
  if (next != Position::Same) position_ = next;
  pending_ = nullptr;
}

void WireSession::forget_message() {
  macros_.forget_from(MacroStage::Mail);
  header_counts_.reset();
}

bool WireSession::may_ask_for_patience() const {
  return pending_ != nullptr && pending_->command == Command::EndOfBody;
}

void WireSession::ask_for_patience(std::string& out) const {
  AnswerWriter(agreement_, out).progress();
}

// --- what a frame says ---

// Arguments are cut: no rule needs more, and no log line should carry more.
std::string WireSession::bounded(std::string_view text) const {
  return std::string(text.substr(0, shared_.resources.argument_bytes));
}

std::vector<std::string> WireSession::parameters(const Arguments& arguments) const {
  std::vector<std::string> list;
  list.reserve(arguments.parameters.size());
  for (const std::string_view parameter : arguments.parameters) list.push_back(bounded(parameter));
  return list;
}

WireSession::Taken WireSession::negotiate(std::string_view body, engine::Progress&,
                                          std::string& out) {
  const auto offer = parse_offer(body);
  if (!offer || offer->version < kOldestVersion) return Taken::Malformed;
  if (!begin_session()) return Taken::Left;  // the MTA takes its default action
  agreement_ = *agree(*offer, steps_of(*session_), shared_.silent);
  append_agreement(out, agreement_);
  return Taken::Quiet;
}

WireSession::Taken WireSession::macros(std::string_view body, engine::Progress&, std::string&) {
  if (body.empty()) return Taken::Malformed;
  if (const auto stage = macro_stage_of(body.front())) macros_.take(*stage, body.substr(1));
  return Taken::Quiet;
}

WireSession::Taken WireSession::connect(std::string_view body, engine::Progress& progress,
                                        std::string&) {
  const auto client = parse_client(body);
  if (!client) return Taken::Malformed;
  mail::Connection connection;
  connection.client_ip = client->address;
  connection.client_name = bounded(client->name);
  connection.client_port = client->port;
  fill_connection(macros_, connection);
  macros_.forget_client();
  progress = session_->connect(std::move(connection));
  return Taken::Asked;
}

WireSession::Taken WireSession::helo(std::string_view body, engine::Progress& progress,
                                     std::string&) {
  const auto name = parse_text(body);
  if (!name) return Taken::Malformed;
  header_counts_.reset();
  progress = session_->helo(bounded(*name), tls_of(macros_));
  return Taken::Asked;
}

WireSession::Taken WireSession::mail(std::string_view body, engine::Progress& progress,
                                     std::string&) {
  const auto arguments = parse_arguments(body);
  if (!arguments) return Taken::Malformed;
  header_counts_.reset();
  mail::Envelope envelope;
  envelope.sender_path = bounded(arguments->address);
  envelope.parameters = parameters(*arguments);
  envelope.login = login_of(macros_);
  envelope.queue_id = queue_id_of(macros_);
  progress = session_->mail_from(std::move(envelope), tls_of(macros_));
  return Taken::Asked;
}

WireSession::Taken WireSession::rcpt(std::string_view body, engine::Progress& progress,
                                     std::string&) {
  const auto arguments = parse_arguments(body);
  if (!arguments) return Taken::Malformed;
  mail::Recipient recipient;
  recipient.path = bounded(arguments->address);
  recipient.parameters = parameters(*arguments);
  fill_recipient(macros_, recipient);
  progress = session_->rcpt_to(std::move(recipient), queue_id_of(macros_));
  return Taken::Asked;
}

WireSession::Taken WireSession::data(std::string_view, engine::Progress& progress, std::string&) {
  progress = session_->data(queue_id_of(macros_));
  return Taken::Asked;
}

WireSession::Taken WireSession::header(std::string_view body, engine::Progress&, std::string&) {
  const auto field = parse_header(body);
  if (!field) return Taken::Malformed;
  if (removes_headers_) {
    if (!header_counts_)
      header_counts_ = std::make_unique<std::unordered_map<std::uint64_t, int>>();
    if (header_counts_->size() < kMaxHeaderNames) ++(*header_counts_)[keyed_hash(fold(field->name))];
  }
  // Signatures count each byte: without HDR_LEADSPC the MTA has taken the blank away.
  session_->header(std::string(field->name),
                   (agreement_.has_leading_space() ? "" : " ") + std::string(field->value));
  return Taken::Passed;
}

int WireSession::header_count(std::string_view name) const {
  if (!header_counts_) return 0;
  const auto at = header_counts_->find(keyed_hash(fold(name)));
  return at != header_counts_->end() ? at->second : 0;
}

WireSession::Taken WireSession::end_of_headers(std::string_view, engine::Progress& progress,
                                               std::string&) {
  progress = session_->end_of_headers(queue_id_of(macros_));
  return Taken::Asked;
}

WireSession::Taken WireSession::body(std::string_view chunk, engine::Progress&, std::string&) {
  if (chunk.empty()) return Taken::Malformed;
  return session_->body(chunk) ? Taken::Paused : Taken::Passed;
}

// The last chunk may come with the end.
WireSession::Taken WireSession::end_of_body(std::string_view chunk, engine::Progress& progress,
                                            std::string&) {
  if (!chunk.empty()) session_->body(chunk);
  progress = session_->end_of_message(queue_id_of(macros_));
  return Taken::Asked;
}

WireSession::Taken WireSession::unknown(std::string_view body, engine::Progress& progress,
                                        std::string&) {
  const auto line = parse_text(body);
  if (!line) return Taken::Malformed;
  progress = session_->unknown_command(bounded(*line));
  return Taken::Asked;
}

WireSession::Taken WireSession::abort(std::string_view, engine::Progress&, std::string&) {
  session_->abort();
  forget_message();
  return Taken::Quiet;
}

WireSession::Taken WireSession::quit(std::string_view, engine::Progress&, std::string&) {
  return Taken::Left;
}

WireSession::Taken WireSession::quit_for_new(std::string_view, engine::Progress&, std::string&) {
  macros_.forget_from(MacroStage::Connect);
  return begin_session() ? Taken::Quiet : Taken::Left;
}

}  // namespace sluice::milter::wire
