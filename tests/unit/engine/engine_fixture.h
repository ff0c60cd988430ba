// A filter with real policies, virtual time, given DNS and facts, and state in memory; what a front
// end would do is one line each. Answers are what the client sees: "250", or code, status and rule.
#pragma once
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backends/given_dns.h"
#include "backends/reference_store.h"
#include "backends/store_in_front.h"
#include "engine/ledger.h"
#include "engine/local_limiter.h"
#include "engine/session.h"
#include "facts/fact.h"
#include "policy/policy_source.h"
#include "policy/program.h"

namespace sluice::engine {

inline policy::ProgramPtr compile_text(const std::string& rules) {
  Diagnostics diagnostics;
  const auto source =
      policy::load_policy_text("test.yaml", "sluice: 1\npolicy: test\n" + rules, diagnostics);
  auto program = policy::compile(source, facts::built_in_vocabulary(), {}, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(diagnostics.ok());
  REQUIRE(program != nullptr);
  return program;
}

class FixedFacts final : public GivenFacts {
 public:
  std::map<std::string, policy::Value> values;
  std::map<std::pair<std::string, std::string>, policy::Value> by_recipient;  // fact, path
  const policy::Value* find(const std::string& fact, const mail::Recipient* recipient) override {
    if (recipient != nullptr) {
      const auto one = by_recipient.find({fact, recipient->path});
      if (one != by_recipient.end()) return &one->second;
    }
    const auto found = values.find(fact);
    return found != values.end() ? &found->second : nullptr;
  }
};

// Operations a store was asked for, by kind; and a switch that takes it away.
class WatchedStore final : public backends::StoreInFront {
 public:
  using StoreInFront::StoreInFront;
  bool is_away = false;
  int submissions = 0;
  std::vector<backends::StateOp> ops;
  template <class Op>
  std::size_t count() const {
    std::size_t n = 0;
    for (const auto& op : ops) n += std::holds_alternative<Op>(op) ? 1 : 0;
    return n;
  }
  void forget_ops() { ops.clear(), submissions = 0; }

  void submit(std::vector<backends::StateOp> asked, backends::StateDone done) override {
    ++submissions;
    ops.insert(ops.end(), asked.begin(), asked.end());
    if (!is_away) return behind_.submit(std::move(asked), std::move(done));
    backends::StateAnswer nothing;
    nothing.available = false;
    done(std::vector<backends::StateAnswer>(asked.size(), nothing));
  }
};

class Records final : public DecisionSink {
 public:
  std::vector<DecisionRecord> all;
  void decided(const DecisionRecord& record) override { all.push_back(record); }
};

struct Filter {
  explicit Filter(const std::string& rules) : program(compile_text(rules)) {
    clock.set(TimePoint{std::chrono::hours{24 * 20'000}});
    services.clock = &clock;
    services.store = &store;
    services.local_store = &local;
    services.ledger = &ledger;
    services.dns = &dns;
    services.given = &given;
    services.sink = &records;
    services.reply_id = false;
  }
  policy::ProgramPtr program;
  VirtualClock clock;
  backends::ReferenceStore memory{clock};
  LocalLimiter local{clock};
  WatchedStore store{memory};
  Ledger ledger;
  backends::GivenDns dns;
  FixedFacts given;
  Records records;
  Services services;

  std::int64_t used(const std::string& name) {
    backends::StateQuery query;
    query.filter = name;
    std::int64_t sum = 0;
    for (const auto& entry : memory.show(query)) sum += entry.used;
    return sum;
  }
  std::int64_t reserved(const std::string& name) {
    backends::StateQuery query;
    query.filter = name;
    std::int64_t sum = 0;
    for (const auto& entry : memory.show(query)) sum += entry.reserved;
    return sum;
  }
};

// "250", "450 4.7.1 first-contact", "discard NAME".
inline std::string told(const Answer& answer) {
  const mail::Verdict& verdict = answer.verdict;
  if (verdict.action == mail::Action::Continue) return "250";
  if (verdict.reply.empty())
    return std::string(mail::action_name(verdict.action)) + " " + answer.record.rule;
  return std::to_string(verdict.reply.code()) + " " + verdict.reply.status().to_string() +
         (answer.record.rule.empty() ? "" : " " + answer.record.rule);
}

class Client {
 public:
  explicit Client(Filter& filter, const std::string& ip = "203.0.113.9",
                  const std::string& login = {})
      : session(std::make_unique<Session>(filter.services, filter.program)), login_(login) {
    connection_.client_ip = IpAddress::parse(ip);
    connection_.client_name = "mail.far.example";
    connection_.resolve = mail::ClientResolve::Ok;
  }
  std::unique_ptr<Session> session;
  Answer last;

  std::string connect() { return take(session->connect(connection_)); }
  std::string helo(const std::string& name = "mail.far.example") {
    return take(session->helo(name, {}));
  }
  std::string mail(const std::string& sender = "<ann@far.example>",
                   std::vector<std::string> parameters = {}) {
    mail::Envelope envelope;
    envelope.sender_path = sender;
    envelope.parameters = std::move(parameters);
    if (!login_.empty()) envelope.login = mail::Login{login_, "PLAIN"};
    return take(session->mail_from(std::move(envelope), {}));
  }
  std::string rcpt(const std::string& path, bool refused_by_mta = false) {
    mail::Recipient recipient;
    recipient.path = path;
    recipient.refused_by_mta = refused_by_mta;
    return take(session->rcpt_to(std::move(recipient), "Q1"));
  }
  std::string data() { return take(session->data("Q1")); }
  std::string end() {
    session->header("From", "ann@far.example");
    session->header("Subject", "hello");
    const std::string at_headers = take(session->end_of_headers());
    if (at_headers != "250") return at_headers;
    session->body("text\r\n");
    return take(session->end_of_message("Q1"));
  }
  // The whole session of one message; the first answer that is no 250, or the last.
  std::string send(const std::string& recipient = "<bob@example.com>",
                   const std::string& sender = "<ann@far.example>") {
    std::string answer = connect();
    if (answer == "250") answer = helo();
    if (answer == "250") answer = mail(sender);
    if (answer == "250") answer = rcpt(recipient);
    if (answer == "250") answer = data();
    if (answer == "250") answer = end();
    return answer;
  }

 private:
  std::string take(Progress progress) {
    REQUIRE(progress.has_value());
    last = std::move(*progress);
    return told(last);
  }
  mail::Connection connection_;
  std::string login_;
};

}  // namespace sluice::engine
