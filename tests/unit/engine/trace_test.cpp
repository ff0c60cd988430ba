// The trace of an answer: made for what is refused or would be, of every rule behind it, and at no
// cost where nothing is answered.
#include "engine_fixture.h"

using namespace sluice;
using namespace sluice::engine;

namespace {

constexpr const char* kPolicy = R"(
rules:
  - exempt: friends
    stage: connect
    when: client.ip in ["192.0.2.0/24"]
    from: [no-name]
  - rule: no-name
    stage: connect
    when: client.rdns is none
    then: reject 550 5.7.25
  - rule: bad-helo
    stage: helo
    when: helo.name == "bad"
    then: reject 554 5.7.1
  - limit: per-sender
    stage: rcpt
    when: sender.address is set
    count: messages
    key: sender.address
    max: 2/1h
    charge: attempts
    then: defer 450 4.7.1
  - rule: try-out
    stage: rcpt
    mode: shadow
    when: rcpt.localpart == "bob"
    then: reject 550 5.1.1
  - rule: no-such
    stage: rcpt
    when: rcpt.localpart == "nobody"
    then: reject 550 5.1.1
  - rule: behind
    stage: rcpt
    when: rcpt.localpart == "behind"
    then: reject 550 5.1.1
)";

std::string told(const std::vector<RuleTrace>& trace) {
  std::string text;
  for (const RuleTrace& rule : trace) {
    text += std::string(1, rule.result) + " " + rule.rule;
    for (const auto& [name, value] : rule.values) text += " " + name + "=" + value;
    if (!rule.note.empty()) text += " (" + rule.note + ")";
    text += "\n";
  }
  return text;
}

}  // namespace

TEST_CASE("trace: of a refusal, each rule that was tried, to the one that answered") {
  Filter filter(kPolicy);
  filter.services.trace_answers = true;
  filter.given.values["client.rdns"] = policy::Value("mail.far.example");
  Client client(filter);
  client.connect();
  client.helo();
  client.mail();
  REQUIRE(client.rcpt("<nobody@example.com>") == "550 5.1.1 no-such");
  CHECK(told(client.last.record.trace) ==
        "F friends client.ip=203.0.113.9\n"
        "F no-name client.rdns=mail.far.example\n"
        "F bad-helo helo.name=mail.far.example\n"
        "F per-sender sender.address=ann@far.example (used 0 of 2/1h)\n"
        "F try-out rcpt.localpart=nobody\n"
        "T no-such rcpt.localpart=nobody\n");
}

TEST_CASE("trace: what an exemption skips, what shadow would have done, what a limit had counted") {
  Filter filter(kPolicy);
  filter.services.trace_answers = true;
  filter.given.values["client.rdns"] = policy::Value();
  Client client(filter, "192.0.2.7");
  client.connect();
  client.helo();
  client.mail();
  REQUIRE(client.rcpt("<bob@example.com>") == "250");
  const std::string shadow = told(client.last.record.trace);
  CHECK(shadow.find("x no-name (by=friends)\n") != std::string::npos);
  CHECK(shadow.find("s try-out rcpt.localpart=bob (would=550)\n") != std::string::npos);
  REQUIRE(client.rcpt("<ann@example.com>") == "250");
  CHECK(client.last.record.trace.empty());
  client.data();
  client.end();
  CHECK(client.last.record.trace.empty());
  client.mail();
  client.rcpt("<ann@example.com>");
  client.data();
  client.end();
  client.mail();
  REQUIRE(client.rcpt("<ann@example.com>") == "450 4.7.1 per-sender");
  CHECK(told(client.last.record.trace).find("T per-sender sender.address=ann@far.example (used 2 of 2/1h)\n") !=
        std::string::npos);
}

TEST_CASE("trace: nothing is asked for it and nothing changes by it") {
  const auto ops_of = [](bool traced) {
    Filter filter(kPolicy);
    filter.services.trace_answers = traced;
    filter.given.values["client.rdns"] = policy::Value("mail.far.example");
    Client client(filter);
    client.send("<nobody@example.com>");
    client.mail();
    client.rcpt("<nobody@example.com>");
    client.rcpt("<bob@example.com>");
    client.rcpt("<bob@example.com>");
    client.data();
    client.end();
    return std::pair{filter.store.ops.size(), filter.used("per-sender")};
  };
  CHECK(ops_of(true) == ops_of(false));
}

TEST_CASE("trace: so many in a second and no more") {
  Filter filter(kPolicy);
  filter.services.trace_answers = true;
  filter.services.resources.traces_per_second = 2;
  filter.given.values["client.rdns"] = policy::Value();
  Client client(filter);
  client.connect();
  client.helo();
  client.mail();
  std::size_t traced = 0;
  for (int i = 0; i < 5; ++i) {
    REQUIRE(client.rcpt("<ann@example.com>") == "550 5.7.25 no-name");
    traced += client.last.record.trace.empty() ? 0 : 1;
  }
  CHECK(traced == 2);
  filter.clock.advance(Duration{1'000});
  client.rcpt("<ann@example.com>");
  CHECK_FALSE(client.last.record.trace.empty());
}

TEST_CASE("trace: a content rule for each recipient is told for the one that it holds for") {
  Filter filter(R"(
rules:
  - rule: own-rules
    stage: end
    for_each: rcpt
    when: rcpt.localpart == "bob" and subject.text == "hello"
    then: drop recipient
  - rule: content
    stage: end
    when: subject.text == "hello"
    then: reject 541 5.7.1
)");
  filter.services.trace_answers = true;
  Client client(filter);
  client.connect();
  client.helo();
  client.mail();
  client.rcpt("<ann@example.com>");
  client.rcpt("<bob@example.com>");
  client.data();
  REQUIRE(client.end() == "541 5.7.1 content");
  CHECK(told(client.last.record.trace) ==
        "T own-rules rcpt.localpart=bob subject.text=hello\nT content subject.text=hello\n");
}
