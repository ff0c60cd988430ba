#include "app/test_player.h"

#include <algorithm>
#include <array>
#include <memory>

#include "app/switched_store.h"
#include "app/test_message.h"
#include "backends/given_dns.h"
#include "backends/reference_store.h"
#include "base/text.h"
#include "engine/ledger.h"
#include "engine/session.h"
#include "engine/state_key.h"
#include "mail/address.h"

namespace sluice::app {

namespace {

using engine::Answer;
using engine::Progress;
using policy::Value;
using policy::YamlEntry;
using policy::YamlNode;

constexpr std::string_view kServerName = "mx.example.com";
constexpr std::string_view kStart = "2026-01-05T12:00:00Z";  // of tests that name no time: a Monday at noon

// Policy, clock and state of one test; sessions come and go.
struct World {
  explicit World(policy::ProgramPtr compiled) : program(std::move(compiled)), store(clock), local(clock), switched(store) {
    services.clock = &clock;
    services.store = &switched;
    services.local_store = &local;
    services.ledger = &ledger;
    services.settings.server_name = std::string(kServerName);
    services.trace = true;
    services.reply_id = false;
  }
  policy::ProgramPtr program;
  VirtualClock clock;
  backends::ReferenceStore store, local;
  SwitchedStore switched;
  engine::Ledger ledger;
  engine::Services services;
};

// What one session is given: facts, DNS, dynamic lists.
struct Given {
  GivenValues facts;
  backends::GivenDns dns;
  std::string wrong;                   // the first value that fits nothing

  void refuse(const policy::Scalar& where, const std::string& what) {
    if (!wrong.empty()) return;
    const SourceSpan& span = where.begin;
    wrong = (span.file ? span.file->name() + ":" + std::to_string(span.line) + ": " : "") + what;
  }
};

bool give_dns(Given& given, const YamlNode& node, std::string_view client_ip) {
  bool has_client_name = false;
  const auto client = IpAddress::parse(client_ip);
  for (const YamlEntry& entry : node.entries) {
    std::vector<std::string> values;
    if (entry.second.kind == YamlNode::Kind::Scalar) values.push_back(entry.second.scalar.text);
    for (const YamlNode& item : entry.second.items) values.push_back(item.scalar.text);
    if (const auto added = given.dns.add(entry.first.text, std::move(values)); !added) given.refuse(entry.first, added.error().what);
    const std::string_view key = entry.first.text;
    const std::string_view name = key.substr(0, key.find(' '));
    const bool is_pointer = key.size() > 4 && equal_folded(key.substr(key.size() - 4), " PTR");
    if (is_pointer && client && (IpAddress::parse(name) == client || equal_folded(name, client->reverse_name()))) has_client_name = true;
  }
  return has_client_name;
}

void give_lists(World& world, Given& given, const YamlNode& node) {
  for (const YamlEntry& entry : node.entries) {
    const auto& lists = world.program->dynamic_lists();
    const auto list = std::find_if(lists.begin(), lists.end(), [&](const auto& one) { return one.name == entry.first.text; });
    if (list == lists.end()) {
      given.refuse(entry.first, "the policy has no dynamic list `" + entry.first.text + "`");
      continue;
    }
    world.store.forget(backends::StateEntry::Kind::List, list->name);
    std::vector<backends::StateOp> ops;
    for (const YamlNode& item : entry.second.items) {
      const auto value = parse_given_value(list->element, item);
      const auto element = value ? engine::list_element(*value, list->element) : std::nullopt;
      if (!element) {
        given.refuse(item.scalar, "`" + item.scalar.text + "` is no element of list `" + list->name + "`");
      } else {
        ops.emplace_back(backends::ListAdd{list->name, element->text, element->network, std::nullopt});
      }
    }
    if (!ops.empty()) world.store.submit(std::move(ops), [](const auto&) {});
  }
}

void give_fact(const World& world, Given& given, const YamlEntry& entry) {
  const std::string& name = entry.first.text;
  const policy::FactSignature* fact = find_signature(*world.program, name);
  if (fact == nullptr) return given.refuse(entry.first, "no fact is named `" + name + "`");
  const bool is_map = entry.second.kind == YamlNode::Kind::Map && fact->type.kind != policy::Kind::Record;
  if (!is_map) {
    const auto value = parse_given_value(fact->type, entry.second);
    return value ? given.facts.set(name, *value) : given.refuse(entry.first, name + ": " + value.error().what);
  }
  for (const YamlEntry& one : entry.second.entries) {
    const auto value = parse_given_value(fact->type, one.second);
    value ? given.facts.set_for(name, one.first.text, *value) : given.refuse(one.first, name + ": " + value.error().what);
  }
}

bool names_spf_records(const YamlNode& dns) {
  return std::any_of(dns.entries.begin(), dns.entries.end(), [](const YamlEntry& entry) {
    const std::string_view key = entry.first.text;
    return key.size() > 4 && equal_folded(key.substr(key.size() - 4), " TXT");
  });
}

// --- one SMTP session ---

StepOutcome reply(int code, std::string status, std::string text) {
  StepOutcome outcome;
  outcome.code = code;
  outcome.status = std::move(status);
  outcome.text = std::move(text);
  return outcome;
}

class Dialogue {
 public:
  Dialogue(World& world, Given& given, const TestSession& spec, const std::string& folder, bool has_ptr_in_dns)
      : world_(world), given_(given), spec_(spec), folder_(folder), has_ptr_in_dns_(has_ptr_in_dns) {
    session_ = std::make_unique<engine::Session>(world.services, world.program);
    const auto& steps = spec.steps;
    const bool starts_tls = std::any_of(steps.begin(), steps.end(), [](const TestStep& s) { return equal_folded(s.command, "STARTTLS"); });
    is_tls_ = !spec.client.tls.empty() && !starts_tls;
    greeting_ = greet();
  }

  StepOutcome play(const std::string& command) {
    if (is_closed_ && !equal_folded(command, "CONNECT")) return reply(421, "4.3.2", "the connection is closed");
    for (const Verb& verb : verbs()) {
      if (command.size() >= verb.word.size() && equal_folded(std::string_view(command).substr(0, verb.word.size()), verb.word))
        return (this->*verb.play)(std::string(trim(std::string_view(command).substr(verb.word.size()))));
    }
    return unknown(command);
  }
  std::string wrong() const { return wrong_; }

 private:
  struct Verb {
    std::string_view word;
    StepOutcome (Dialogue::*play)(const std::string& argument);
  };
  static const std::array<Verb, 12>& verbs() {
    static constexpr std::array<Verb, 12> kVerbs{{{"CONNECT", &Dialogue::connected},
                                                  {"EHLO", &Dialogue::helo},
                                                  {"HELO", &Dialogue::helo},
                                                  {"STARTTLS", &Dialogue::start_tls},
                                                  {"AUTH", &Dialogue::auth},
                                                  {"MAIL FROM:", &Dialogue::mail_from},
                                                  {"RCPT TO:", &Dialogue::rcpt_to},
                                                  {"DATA", &Dialogue::data},
                                                  {"END", &Dialogue::end},
                                                  {"RSET", &Dialogue::reset},
                                                  {"NOOP", &Dialogue::noop},
                                                  {"QUIT", &Dialogue::quit}}};
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
    return reply(220, "2.0.0", "go ahead");
  }
  StepOutcome auth(const std::string&) { return reply(235, "2.7.0", "authenticated"); }

  StepOutcome mail_from(const std::string& argument) {
    if (has_mail_) return reply(503, "5.5.1", "nested MAIL command");
    mail::Envelope envelope;
    envelope.sender_path = take_path(argument, envelope.parameters);
    if (!spec_.client.auth.empty()) envelope.login = mail::Login{spec_.client.auth, "PLAIN"};
    sender_ = envelope.sender_path;
    StepOutcome outcome = seen(answer(session_->mail_from(std::move(envelope), tls())), 250, "2.1.0", "sender ok");
    has_mail_ = !is_refused(outcome);
    accepted_ = 0;
    return outcome;
  }
  StepOutcome rcpt_to(const std::string& argument) {
    if (!has_mail_) return reply(503, "5.5.1", "need MAIL command");
    mail::Recipient recipient;
    recipient.path = take_path(argument, recipient.parameters);
    const Value* exists = given_.facts.find("rcpt.exists", &recipient);
    recipient.refused_by_mta = exists != nullptr && exists->get_if<bool>() != nullptr && !exists->get<bool>();
    const bool refused_by_mta = recipient.refused_by_mta;
    if (accepted_ == 0) first_recipient_ = recipient.path;
    StepOutcome outcome = seen(answer(session_->rcpt_to(std::move(recipient), "TEST")), 250, "2.1.5", "recipient ok");
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
    StepOutcome outcome = seen(answer(session_->data("TEST")), 354, "", "end data with <CR><LF>.<CR><LF>");
    has_data_ = !is_refused(outcome);
    return outcome;
  }
  StepOutcome end(const std::string&) {
    if (!has_data_) return unknown("END");
    has_data_ = has_mail_ = false;
    const auto message = message_of(spec_.message, folder_, sender_, first_recipient_, world_.clock.now());
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
    return seen(answer(session_->unknown_command(line)), 500, "5.5.2", "command not recognized");
  }

  // "<a@b> SIZE=10": the path, and what follows it.
  static std::string take_path(std::string_view argument, std::vector<std::string>& parameters) {
    std::size_t end = argument.find(' ');
    if (!argument.empty() && argument.front() == '<') {
      bool quoted = false;
      for (end = 0; end < argument.size() && (quoted || argument[end] != '>'); ++end) {
        if (argument[end] == '\\') ++end;
        else if (argument[end] == '"') quoted = !quoted;
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

  World& world_;
  Given& given_;
  const TestSession& spec_;
  const std::string& folder_;
  bool has_ptr_in_dns_;
  std::unique_ptr<engine::Session> session_;
  StepOutcome greeting_;
  std::string sender_, first_recipient_, wrong_;
  int accepted_ = 0;
  bool is_tls_ = false, is_closed_ = false, has_mail_ = false, has_data_ = false;
};

// --- one test ---

std::string with_number(std::string text, int n) {
  for (std::size_t at = text.find("{n}"); at != std::string::npos; at = text.find("{n}", at)) {
    const std::string number = std::to_string(n);
    text.replace(at, 3, number);
    at += number.size();
  }
  return text;
}

void count(const std::vector<engine::RuleTrace>& trace, Coverage& coverage) {
  for (const engine::RuleTrace& rule : trace) {
    RuleCoverage& seen = coverage[rule.rule];
    if (rule.result == 'T' || rule.result == 's') ++seen.matched;
    if (rule.result == 'F') ++seen.not_matched;
    if (rule.result == '?') ++seen.unknown;
    if (rule.result == 'x') ++seen.exempted;
  }
}

class TestRun {
 public:
  TestRun(policy::ProgramPtr program, const PolicyTest& test, const std::string& folder, Coverage& coverage)
      : world_(std::move(program)), test_(test), folder_(folder), coverage_(coverage) {}

  TestOutcome play() {
    start_ = *parse_datetime(kStart);
    if (!test_.sessions.empty() && test_.sessions.front().time) start_ = *test_.sessions.front().time;
    world_.clock.set(start_);
    for (std::size_t i = 0; i < test_.sessions.size() && outcome_.passed(); ++i) play_session(test_.sessions[i], i);
    return std::move(outcome_);
  }

 private:
  void play_session(const TestSession& session, std::size_t index) {
    const TimePoint at = session.time ? *session.time : session.offset ? start_ + *session.offset : world_.clock.now();
    if (session.store_is_down) world_.switched.take_away(*session.store_is_down);
    for (int turn = 1; turn <= session.repeat && outcome_.passed(); ++turn) {
      const TimePoint time = at + session.every * (turn - 1);
      if (time < world_.clock.now()) {
        outcome_.broken = "session " + std::to_string(index + 1) + " begins before the one in front of it has ended";
        return;
      }
      world_.clock.set(time);
      std::string name = session.name.empty() ? "session " + std::to_string(index + 1) : session.name;
      if (session.repeat > 1) name += ", turn " + std::to_string(turn);
      play_turn(session, name, turn);
    }
  }

  void play_turn(const TestSession& session, const std::string& name, int turn) {
    Given given;
    bool has_ptr = false, checks_mail = false;
    for (const YamlEntry& entry : session.given) {
      if (entry.first.text == "dns") {
        has_ptr = give_dns(given, entry.second, session.client.ip) || has_ptr;
        checks_mail = checks_mail || names_spf_records(entry.second);
      } else if (entry.first.text == "lists") {
        give_lists(world_, given, entry.second);
      } else {
        give_fact(world_, given, entry);
      }
    }
    give_client(session.client, given);
    give_defaults(given.facts, *world_.program, checks_mail);
    if (!given.wrong.empty()) {
      outcome_.broken = given.wrong;
      return;
    }
    world_.services.dns = &given.dns;
    world_.services.given = &given.facts;
    Dialogue dialogue(world_, given, session, folder_, has_ptr);
    for (const TestStep& step : session.steps) {
      for (int n = 1; n <= step.repeat; ++n) {
        const std::string command = with_number(step.command, step.repeat > 1 ? n : turn);
        play_step(dialogue, session, step, command, name);
        if (!outcome_.passed()) return;
      }
    }
  }

  static void give_client(const TestClient& client, Given& given) {
    if (!client.country.empty() && !given.facts.has("client.country")) given.facts.set("client.country", Value(client.country));
    if (!client.asn.empty() && !given.facts.has("client.asn")) {
      const auto number = parse_given_value(policy::Type::of(policy::Kind::Int), client.asn);
      if (number) given.facts.set("client.asn", *number);
    }
  }

  void play_step(Dialogue& dialogue, const TestSession& session, const TestStep& step, const std::string& command,
                 const std::string& name) {
    const StepOutcome got = dialogue.play(command);
    if (!dialogue.wrong().empty()) {
      outcome_.broken = dialogue.wrong();
      return;
    }
    if (got.record) count(got.record->trace, coverage_);
    const std::string wrong = mismatch(step.expected, got, session.shadow);
    if (wrong.empty()) return;
    StepFailure failure;
    failure.step = &step;
    failure.session = name;
    failure.command = command;
    failure.expected = wrong;
    failure.got = describe(got, session.shadow);
    if (got.record) failure.trace = got.record->trace;
    outcome_.failures.push_back(std::move(failure));
  }

  World world_;
  const PolicyTest& test_;
  const std::string& folder_;
  Coverage& coverage_;
  TimePoint start_{};
  TestOutcome outcome_;
};

}  // namespace

TestOutcome play_test(const policy::ProgramPtr& program, const PolicyTest& test, const std::string& folder, Coverage& coverage) {
  return TestRun(program, test, folder, coverage).play();
}

}  // namespace sluice::app
