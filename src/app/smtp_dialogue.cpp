#include "app/smtp_dialogue.h"

#include <algorithm>
#include <array>
#include <vector>

#include "app/test_message.h"
#include "base/text.h"
#include "mail/verdict.h"

namespace sluice::app {

using engine::Answer;
using engine::Progress;
using policy::Value;

namespace {

StepOutcome reply(int code, std::string status, std::string text) {
  StepOutcome outcome;
  outcome.code = code;
  outcome.status = std::move(status);
  outcome.text = std::move(text);
  return outcome;
}

}  // namespace

class SmtpDialogue::State {
 public:
  State(TestWorld& world, GivenForSession& given, const TestSession& spec,
        const std::string& folder, bool has_ptr_in_dns)
      : world_(world),
        given_(given),
        spec_(spec),
        folder_(folder),
        has_ptr_in_dns_(has_ptr_in_dns) {
    session_ = std::make_unique<engine::Session>(world.services, world.program);
    const auto& steps = spec.steps;
    // A client that says when it starts TLS or logs in is in the clear, or nobody, until then.
    const auto says = [&steps](std::string_view word) {
      return std::any_of(steps.begin(), steps.end(), [word](const TestStep& step) {
        return equal_folded(std::string_view(step.command).substr(0, word.size()), word);
      });
    };
    is_tls_ = !spec.client.tls.empty() && !says("STARTTLS");
    is_logged_in_ = !spec.client.auth.empty() && !says("AUTH ");
    greeting_ = greet();
  }

  StepOutcome play(const std::string& command) {
    if (is_closed_ && !equal_folded(command, "CONNECT"))
      return reply(421, "4.3.2", "the connection is closed");
    for (const Verb& verb : verbs()) {
      if (command.size() >= verb.word.size() &&
          equal_folded(std::string_view(command).substr(0, verb.word.size()), verb.word))
        return (this->*verb.play)(
            std::string(trim(std::string_view(command).substr(verb.word.size()))));
    }
    return unknown(command);
  }
  const std::string& wrong() const { return wrong_; }

 private:
  struct Verb {
    std::string_view word;
    StepOutcome (State::*play)(const std::string& argument);
  };
  static const std::array<Verb, 12>& verbs() {
    static constexpr std::array<Verb, 12> kVerbs{{{"CONNECT", &State::connected},
                                                  {"EHLO", &State::helo},
                                                  {"HELO", &State::helo},
                                                  {"STARTTLS", &State::start_tls},
                                                  {"AUTH", &State::auth},
                                                  {"MAIL FROM:", &State::mail_from},
                                                  {"RCPT TO:", &State::rcpt_to},
                                                  {"DATA", &State::data},
                                                  {"END", &State::end},
                                                  {"RSET", &State::reset},
                                                  {"NOOP", &State::noop},
                                                  {"QUIT", &State::quit}}};
    return kVerbs;
  }

  mail::Connection connection() const {
    mail::Connection c;
    c.client_ip = IpAddress::parse(spec_.client.ip);
    c.client_port = 40'000;
    c.server_name = std::string(kServerName);
    c.server_port = static_cast<std::uint16_t>(spec_.client.port);
    c.client_connections = 1;
    c.client_name = spec_.client.rdns;
    if (!spec_.client.rdns.empty()) {
      c.resolve = mail::ClientResolve::Ok;
      c.client_ptr = spec_.client.rdns;
    } else if (!spec_.client.ptr.empty()) {
      c.resolve = mail::ClientResolve::Forged;
      c.client_ptr = spec_.client.ptr;
    } else if (!has_ptr_in_dns_) {
      c.resolve = mail::ClientResolve::NoName;
    }
    if (c.client_name.empty()) c.client_name = "unknown";
    return c;
  }
  mail::Tls tls() const {
    mail::Tls tls;
    if (!is_tls_) return tls;
    tls.active = true;
    tls.version = spec_.client.tls;
    tls.cipher_bits = 256;
    return tls;
  }

  // Nothing here answers later: everything is given. A session that still waits has lost an answer.
  Answer answer(Progress progress) {
    while (!progress) progress = session_->resume(true);
    return std::move(*progress);
  }
  StepOutcome seen(Answer answer, int code, const char* status, const char* text) {
    StepOutcome outcome = reply(code, status, text);
    const mail::Verdict& verdict = answer.verdict;
    if (!verdict.reply.empty()) {
      outcome.code = verdict.reply.code();
      outcome.status = verdict.reply.status().to_string();
      outcome.text = verdict.reply.text();
    }
    outcome.quarantine = verdict.action == mail::Action::Quarantine;
    outcome.discard = verdict.action == mail::Action::Discard;
    outcome.delay = verdict.delay;
    if (verdict.action == mail::Action::Disconnect) is_closed_ = true;
    outcome.record = std::move(answer.record);
    return outcome;
  }
  static bool is_refused(const StepOutcome& outcome) { return outcome.code >= 400; }

  StepOutcome greet() { return seen(answer(session_->connect(connection())), 220, "", "ready"); }
  StepOutcome connected(const std::string&) { return greeting_; }
  StepOutcome helo(const std::string& name) {
    has_mail_ = false;
    return seen(answer(session_->helo(name, tls())), 250, "", "hello");
  }
  StepOutcome start_tls(const std::string&) {
    is_tls_ = true;
    session_->abort();
    has_mail_ = has_data_ = false;
    return reply(220, "2.0.0", "go ahead");
  }
  StepOutcome auth(const std::string&) {
    is_logged_in_ = !spec_.client.auth.empty();
    return is_logged_in_ ? reply(235, "2.7.0", "authenticated")
                         : reply(535, "5.7.8", "authentication failed");
  }

  StepOutcome mail_from(const std::string& argument) {
    if (has_mail_) return reply(503, "5.5.1", "nested MAIL command");
    mail::Envelope envelope;
    envelope.sender_path = take_path(argument, envelope.parameters);
    if (is_logged_in_) envelope.login = mail::Login{spec_.client.auth, "PLAIN"};
    sender_ = envelope.sender_path;
    StepOutcome outcome =
        seen(answer(session_->mail_from(std::move(envelope), tls())), 250, "2.1.0", "sender ok");
    has_mail_ = !is_refused(outcome);
    accepted_ = 0;
    return outcome;
  }
  StepOutcome rcpt_to(const std::string& argument) {
    if (!has_mail_) return reply(503, "5.5.1", "need MAIL command");
    mail::Recipient recipient;
    recipient.path = take_path(argument, recipient.parameters);
    const Value* exists = given_.facts.find("rcpt.exists", &recipient);
    recipient.refused_by_mta =
        exists != nullptr && exists->get_if<bool>() != nullptr && !exists->get<bool>();
    const bool refused_by_mta = recipient.refused_by_mta;
    if (accepted_ == 0) first_recipient_ = recipient.path;
    StepOutcome outcome =
        seen(answer(session_->rcpt_to(std::move(recipient), "TEST")), 250, "2.1.5", "recipient ok");
    if (refused_by_mta) {
      StepOutcome refusal = reply(550, "5.1.1", "user unknown");
      refusal.record = std::move(outcome.record);
      return refusal;
    }
    if (!is_refused(outcome)) ++accepted_;
    return outcome;
  }
  StepOutcome data(const std::string&) {
    if (!has_mail_) return reply(503, "5.5.1", "need RCPT command");
    if (accepted_ == 0) return reply(554, "5.5.1", "no valid recipients");
    StepOutcome outcome =
        seen(answer(session_->data("TEST")), 354, "", "end data with <CR><LF>.<CR><LF>");
    has_data_ = !is_refused(outcome);
    return outcome;
  }
  StepOutcome end(const std::string&) {
    if (!has_data_) return unknown("END");
    has_data_ = has_mail_ = false;
    const auto message =
        message_of(spec_.message, folder_, sender_, first_recipient_, world_.clock.now());
    if (!message) {
      wrong_ = message.error().what;
      return reply(0, "", wrong_);
    }
    for (const mail::Header& header : message->headers) session_->header(header.name, header.value);
    StepOutcome at_headers = seen(answer(session_->end_of_headers()), 250, "2.0.0", "ok");
    if (is_refused(at_headers)) return at_headers;
    session_->body(message->body);
    Answer last = answer(session_->end_of_message("TEST"));
    const std::vector<mail::Edit> edits = last.verdict.edits;
    StepOutcome outcome = seen(std::move(last), 250, "2.0.0", "ok");
    if (!is_refused(outcome)) outcome.headers = delivered_headers(message->headers, edits);
    if (outcome.record && at_headers.record) {
      // The client sees one answer after the dot, whichever stage gave it.
      auto& would = at_headers.record->would;
      outcome.record->would.insert(outcome.record->would.begin(), would.begin(), would.end());
      auto& trace = at_headers.record->trace;
      outcome.record->trace.insert(outcome.record->trace.begin(), trace.begin(), trace.end());
      outcome.delay += at_headers.delay;
    }
    return outcome;
  }
  StepOutcome reset(const std::string&) {
    session_->abort();
    has_mail_ = has_data_ = false;
    return reply(250, "2.0.0", "ok");
  }
  StepOutcome noop(const std::string&) { return reply(250, "2.0.0", "ok"); }
  StepOutcome quit(const std::string&) {
    session_->abort();
    is_closed_ = true;
    return reply(221, "2.0.0", "bye");
  }
  StepOutcome unknown(const std::string& line) {
    return seen(answer(session_->unknown_command(line)), 502, "5.5.2", "command not recognized");
  }

  // "<a@b> SIZE=10": the path, and what follows it.
  static std::string take_path(std::string_view argument, std::vector<std::string>& parameters) {
    std::size_t end = argument.find(' ');
    if (!argument.empty() && argument.front() == '<') {
      bool quoted = false;
      for (end = 0; end < argument.size() && (quoted || argument[end] != '>'); ++end) {
        if (argument[end] == '\\')
          ++end;
        else if (argument[end] == '"')
          quoted = !quoted;
      }
      end = std::min(end + 1, argument.size());
    }
    const std::string_view path = argument.substr(0, end);
    if (end < argument.size()) {
      for (const std::string_view word : split(trim(argument.substr(end)), ' ')) {
        if (!word.empty()) parameters.emplace_back(word);
      }
    }
    return std::string(path);
  }

  TestWorld& world_;
  GivenForSession& given_;
  const TestSession& spec_;
  const std::string& folder_;
  bool has_ptr_in_dns_;
  std::unique_ptr<engine::Session> session_;
  StepOutcome greeting_;
  std::string sender_, first_recipient_, wrong_;
  int accepted_ = 0;
  bool is_tls_ = false, is_logged_in_ = false, is_closed_ = false, has_mail_ = false,
       has_data_ = false;
};

SmtpDialogue::SmtpDialogue(TestWorld& world, GivenForSession& given, const TestSession& spec,
                           const std::string& folder, bool has_ptr_in_dns)
    : state_(std::make_unique<State>(world, given, spec, folder, has_ptr_in_dns)) {}
SmtpDialogue::~SmtpDialogue() = default;

StepOutcome SmtpDialogue::play(const std::string& command) { return state_->play(command); }
const std::string& SmtpDialogue::wrong() const { return state_->wrong(); }

const std::string& SmtpDialogue::skipped() const {
  static const std::string nothing;
  return nothing;
}

}  // namespace sluice::app
