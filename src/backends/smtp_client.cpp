#include "backends/smtp_client.h"

#include <algorithm>
#include <array>
#include <utility>

namespace sluice::backends {
namespace {

bool is_outside_ascii(char c) { return static_cast<unsigned char>(c) >= 0x80; }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

bool needs_utf8(const SmtpQuestion& question) {
  return std::any_of(question.to.begin(), question.to.end(), is_outside_ascii);
}

// Nothing that would end the command line and begin another.
bool is_sayable(const SmtpQuestion& question) {
  const auto has_control = [](const std::string& text) {
    return std::any_of(text.begin(), text.end(), is_control);
  };
  return !has_control(question.helo) && !has_control(question.from) && !has_control(question.to);
}

constexpr int kClosingChannel = 421;

}  // namespace

std::string_view smtp_phase_name(SmtpPhase phase) {
  static constexpr std::array<std::string_view, 5> kNames{"connect", "greeting", "helo", "mail",
                                                          "rcpt"};
  return kNames[static_cast<std::size_t>(phase)];
}

SmtpClient::SmtpClient(EventLoop& loop, SmtpQuestion question, const Options& options,
                       Events events)
    : loop_(loop), question_(std::move(question)), events_(std::move(events)) {
  if (!is_sayable(question_)) {
    timer_ = loop_.in(Duration{0}, [this] { answer(SmtpEnd::Unsayable), close(); });
    return;
  }
  Stream::Options stream_options;
  stream_options.connect_timeout = std::min(options.connect_timeout, options.timeout);
  stream_options.max_unsent = kMaxSessionBytes;
  stream_ = Stream::open(loop_, question_.server, stream_options,
                         {[this] { step_ = Step::Greeting; },
                          [this](std::string_view bytes) { received(bytes); },
                          {},
                          [this](StreamEnd how) { ended(how); }});
  timer_ = loop_.in(options.timeout, [this] { answer(SmtpEnd::Silent), close(); });
}

SmtpClient::~SmtpClient() { loop_.cancel(timer_); }

SmtpPhase SmtpClient::phase() const {
  static constexpr std::array<SmtpPhase, 8> kPhases{
      SmtpPhase::Connect, SmtpPhase::Greeting, SmtpPhase::Helo, SmtpPhase::Helo,
      SmtpPhase::Mail,    SmtpPhase::Rcpt,     SmtpPhase::Rcpt, SmtpPhase::Rcpt};
  return kPhases[static_cast<std::size_t>(step_)];
}

void SmtpClient::received(std::string_view bytes) {
  received_ += bytes.size();
  SmtpReply reply;
  while (!is_closed_ && !bytes.empty()) {
    const bool is_too_much = received_ > kMaxSessionBytes;
    const auto found = is_too_much ? SmtpReplyParser::Found::Malformed : parser_.take(bytes, reply);
    if (found == SmtpReplyParser::Found::Nothing) return;
    if (found == SmtpReplyParser::Found::Malformed) {
      answer(SmtpEnd::Malformed);
      return close();
    }
    if (step_ == Step::Quit) return close();
    replied(reply);
  }
}

void SmtpClient::replied(const SmtpReply& reply) {
  const bool is_good = reply.is_success();
  switch (step_) {
    case Step::Connect:
    case Step::Greeting:
      return is_good ? say(Step::Ehlo, "EHLO " + question_.helo) : part(reply);
    case Step::Ehlo:
      // A server of before RFC 1869 does not know EHLO.
      if (reply.is_permanent()) return say(Step::Helo, "HELO " + question_.helo);
      return introduced(reply);
    case Step::Helo:
      return introduced(reply);
    case Step::Mail:
      return is_good ? say(Step::Rcpt, "RCPT TO:" + question_.to) : part(reply);
    case Step::Rcpt:
      return part(reply);
    case Step::Reset:
      return say(Step::Quit, "QUIT");
    case Step::Quit:
      return;
  }
}

void SmtpClient::introduced(const SmtpReply& reply) {
  if (!reply.is_success()) return part(reply);
  const bool has_utf8 = step_ == Step::Ehlo && reply.has_keyword("SMTPUTF8");
  if (needs_utf8(question_) && !has_utf8) {
    answer(SmtpEnd::Unsayable);
    return say(Step::Quit, "QUIT");
  }
  say(Step::Mail, "MAIL FROM:" + question_.from + (needs_utf8(question_) ? " SMTPUTF8" : ""));
}

void SmtpClient::say(Step step, const std::string& command) {
  step_ = step;
  stream_->write(command + "\r\n");
}

// The session's last reply that matters. The farewell is short, and nobody waits for it.
void SmtpClient::part(const SmtpReply& reply) {
  const bool has_recipient = step_ == Step::Rcpt;
  const int code = reply.code;
  answer(SmtpEnd::Replied, reply);
  if (code == kClosingChannel) return close();
  if (has_recipient) return say(Step::Reset, "RSET");
  say(Step::Quit, "QUIT");
}

void SmtpClient::answer(SmtpEnd end, SmtpReply reply) {
  if (std::exchange(is_answered_, true)) return;
  loop_.cancel(timer_);
  timer_ = loop_.in(kFarewell, [this] { close(); });
  events_.answered({phase(), end, std::move(reply)});
}

void SmtpClient::ended(StreamEnd how) {
  const bool was_connected = how != StreamEnd::Refused && how != StreamEnd::TimedOut;
  answer(was_connected ? SmtpEnd::Dropped : SmtpEnd::NotConnected);
  close();
}

// Told from the loop and not from here: the owner may drop the client then.
void SmtpClient::close() {
  if (std::exchange(is_closed_, true)) return;
  loop_.cancel(timer_);
  if (stream_) stream_->close();
  timer_ = loop_.in(Duration{0}, [this] {
    const auto closed = std::move(events_.closed);
    closed();
  });
}

}  // namespace sluice::backends
