// Which rule answers, where and how: strong and weak, held answers, exemptions, shadow (LANGUAGE 3,
// 4, 5, 9e).
#include "engine_fixture.h"

using namespace sluice;
using namespace sluice::engine;
using policy::Unknown;
using policy::UnknownReason;
using policy::Value;

TEST_CASE(
    "verdicts: a refusal of connect is said at MAIL, again at each MAIL, and the greeting passes") {
  Filter filter(R"(
rules:
  - rule: no-name
    stage: connect
    reply_at: stage
    when: client.ip == "203.0.113.9"
    then: reject 550 5.7.25
)");
  Client client(filter);
  CHECK(client.connect() == "250");
  CHECK(client.helo() == "250");
  CHECK(client.mail() == "550 5.7.25 no-name");
  CHECK(client.last.record.stage == mail::Stage::Mail);
  CHECK(client.last.record.rule_stage == mail::Stage::Connect);
  CHECK(client.mail() == "550 5.7.25 no-name");
}

TEST_CASE("verdicts: disconnect is immediate") {
  Filter filter(R"(
rules:
  - rule: away
    stage: connect
    when: client.ip == "203.0.113.9"
    then: disconnect 421 4.7.0
)");
  CHECK(Client(filter).connect() == "421 4.7.0 away");
}

TEST_CASE("verdicts: held rules are answered at RCPT and recipients can be spared") {
  Filter filter(R"(
rules:
  - exempt: postmaster
    stage: rcpt
    when: rcpt.localpart == "postmaster"
    from: [client]
  - rule: client
    stage: connect
    when: client.ip == "203.0.113.9"
    then: reject 550 5.7.1
  - rule: helo
    stage: helo
    when: helo.name == "bad"
    then: reject 554 5.7.1
)");
  Client client(filter);
  CHECK(client.connect() == "250");
  CHECK(client.helo("bad") == "250");
  CHECK(client.mail() == "250");
  CHECK(client.rcpt("<bob@example.com>") == "550 5.7.1 client");
  // The first rule that no exemption selects answers.
  CHECK(client.rcpt("<postmaster@example.com>") == "554 5.7.1 helo");
  CHECK(client.helo("good") == "250");
  CHECK(client.mail() == "250");
  CHECK(client.rcpt("<postmaster@example.com>") == "250");
  CHECK(client.rcpt("<bob@example.com>") == "550 5.7.1 client");
}

TEST_CASE("verdicts: an exemption takes the points of a score with it, for its recipient only") {
  Filter filter(R"(
rules:
  - exempt: postmaster
    stage: rcpt
    when: rcpt.localpart == "postmaster"
    from: [listed]
  - score: listed
    stage: connect
    when: client.ip == "203.0.113.9"
    add: 5
  - rule: points
    stage: mail
    when: score >= 5
    then: reject 554 5.7.1
)");
  Client client(filter);
  client.connect(), client.helo(), client.mail();
  CHECK(client.rcpt("<bob@example.com>") == "554 5.7.1 points");
  CHECK(client.rcpt("<postmaster@example.com>") == "250");
  CHECK(client.rcpt("<bob@example.com>") == "554 5.7.1 points");
}

TEST_CASE("verdicts: a new HELO replaces what the earlier one added") {
  Filter filter(R"(
rules:
  - score: name
    stage: helo
    when: helo.name == "bad"
    add: 5
  - exempt: friend
    stage: helo
    when: helo.name == "friend"
    from: [points]
  - rule: points
    stage: mail
    reply_at: stage
    when: score >= 5
    then: reject 554 5.7.1
  - rule: strangers
    stage: mail
    reply_at: stage
    when: sender.domain == "stranger.example"
    then: reject 550 5.7.1
)");
  Client client(filter);
  client.connect();
  client.helo("bad");
  CHECK(client.mail() == "554 5.7.1 points");
  client.helo("good");
  CHECK(client.mail() == "250");
  client.helo("bad");
  client.helo("friend");
  CHECK(client.mail() == "250");
}

TEST_CASE("verdicts: the first weak deferral is answered only if nothing refuses") {
  const char* const policy = R"(
rules:
  - rule: own-name
    stage: mail
    when: spf.result == fail
    on_unknown: defer
    then: reject 550 5.7.23
    text: "forger"
  - rule: points
    stage: rcpt
    when: rcpt.localpart == "nobody"
    then: reject 550 5.1.1
)";
  Filter filter(policy);
  filter.given.values["spf.result"] = Value(Unknown{UnknownReason::Timeout});
  Client client(filter);
  client.connect(), client.helo();
  CHECK(client.mail() == "250");
  CHECK(client.rcpt("<nobody@example.com>") == "550 5.1.1 points");
  CHECK(client.rcpt("<bob@example.com>") == "451 4.4.3 own-name");
  CHECK(client.last.verdict.reply.text().find("forger") == std::string::npos);
  CHECK(client.last.record.weak);
  REQUIRE(filter.records.all.size() > 2);
  CHECK(filter.records.all[2].unknown == std::vector<std::string>{"spf.result(timeout)"});
}

TEST_CASE("verdicts: on_unknown says 4.3.0 when it was not DNS, and its own code when it has one") {
  const auto answer = [](const char* on_unknown, UnknownReason reason) {
    Filter filter(std::string("rules:\n  - rule: r\n    stage: mail\n    when: spf.result == "
                              "fail\n    then: reject 550 5.7.23\n    on_unknown: ") +
                  on_unknown + "\n");
    filter.given.values["spf.result"] = Value(Unknown{reason});
    return Client(filter).send();
  };
  CHECK(answer("skip", UnknownReason::Timeout) == "250");
  CHECK(answer("defer", UnknownReason::ServFail) == "451 4.4.3 r");
  CHECK(answer("defer", UnknownReason::External) == "451 4.3.0 r");
  CHECK(answer("defer 450 4.7.25", UnknownReason::Timeout) == "450 4.7.25 r");
}

TEST_CASE(
    "verdicts: shadow rules answer nothing, do nothing and are told where they would have "
    "answered") {
  Filter filter(R"(
rules:
  - rule: held
    stage: connect
    mode: shadow
    when: client.ip == "203.0.113.9"
    then: reject 550 5.7.1
  - rule: own-stage
    stage: helo
    mode: shadow
    reply_at: stage
    when: helo.name == "mail.far.example"
    then: reject 504 5.5.2
  - rule: header
    stage: end
    mode: shadow
    when: msg_size_known
    then: header X-Shadow = "yes"
let: {msg_size_known: sender.address is set}
)");
  Client client(filter);
  CHECK(client.send() == "250");
  REQUIRE(filter.records.all.size() == 7);
  const auto would = [&](std::size_t i) {
    std::string text;
    for (const Would& one : filter.records.all[i].would)
      text += one.rule + " " + std::to_string(one.code) + ";";
    return text;
  };
  CHECK(would(0).empty());
  CHECK(would(1).empty());
  CHECK(would(2) == "own-stage 504;");
  CHECK(would(3) == "held 550;");
  CHECK(filter.records.all[6].verdict.edits.empty());
}

TEST_CASE(
    "verdicts: enforce N% withholds the answer from the rest of the networks, always the same "
    "ones") {
  Filter filter(R"(
rules:
  - rule: some
    stage: mail
    enforce: 30%
    when: sender.domain == "far.example"
    then: reject 550 5.7.1
)");
  int refused = 0;
  for (int i = 0; i < 200; ++i) {
    const std::string ip = "203." + std::to_string(i) + ".113.9";
    const bool first = Client(filter, ip).send() != "250";
    CHECK((Client(filter, ip).send() != "250") == first);
    refused += first ? 1 : 0;
  }
  CHECK(refused > 30);
  CHECK(refused < 90);
}

TEST_CASE(
    "verdicts: a recipient that the MTA refuses meets rules, but no answer of theirs, and no "
    "greylist") {
  Filter filter(R"(
lists: {trapped: {type: cidr, dynamic: true}}
rules:
  - rule: trap
    stage: rcpt
    when: rcpt.localpart == "trap"
    then: [add client.ip to $trapped for 1h, reject 550 5.7.1]
  - greylist: first
    stage: rcpt
)");
  Client client(filter);
  client.connect(), client.helo(), client.mail();
  filter.store.forget_ops();
  CHECK(client.rcpt("<trap@example.com>", true) == "250");
  CHECK(filter.store.count<backends::ListAdd>() == 1);
  CHECK(filter.store.count<backends::GreylistLook>() == 0);
}

TEST_CASE("verdicts: quarantine and discard before the end only mark, a later refusal wins") {
  Filter filter(R"(
rules:
  - rule: hold
    stage: rcpt
    when: rcpt.localpart == "hold"
    then: quarantine "held for {rcpt.address}"
  - rule: drop
    stage: mail
    when: sender.localpart == "drop"
    then: discard
  - rule: refuse
    stage: end
    when: sender.localpart == "refuse"
    then: reject 554 5.7.1
)");
  CHECK(Client(filter).send("<hold@example.com>") == "quarantine hold");
  const auto& edits = filter.records.all.back().verdict.edits;
  REQUIRE(edits.size() == 1);
  CHECK(edits.front().name == "held for hold@example.com");
  CHECK(Client(filter).send("<hold@example.com>", "<refuse@far.example>") == "554 5.7.1 refuse");
  CHECK(Client(filter).send("<bob@example.com>", "<drop@far.example>") == "discard drop");
  CHECK(filter.records.all.back().marks == std::vector<std::string>{"drop"});
}

TEST_CASE("verdicts: a recipient that was refused changes nothing in the message of the others") {
  Filter filter(R"(
rules:
  - rule: moved
    stage: rcpt
    when: rcpt.localpart == "old"
    then: redirect to "new@example.com"
  - rule: closed
    stage: rcpt
    when: rcpt.localpart == "old"
    then: reject 550 5.1.1
)");
  Client client(filter);
  client.connect(), client.helo(), client.mail();
  CHECK(client.rcpt("<bob@example.com>") == "250");
  CHECK(client.rcpt("<old@example.com>") == "550 5.1.1 closed");
  CHECK(client.rcpt("<old@example.com>", true) == "250");
  client.data();
  CHECK(client.end() == "250");
  CHECK(client.last.verdict.edits.empty());
}

TEST_CASE("verdicts: above the cap of recipients RCPT answers 452") {
  Filter filter("rules: []\n");
  filter.services.resources.recipients = 2;
  Client client(filter);
  client.connect(), client.helo(), client.mail();
  CHECK(client.rcpt("<a@example.com>") == "250");
  CHECK(client.rcpt("<b@example.com>") == "250");
  CHECK(client.rcpt("<c@example.com>") == "452 4.5.3 resources");
}

TEST_CASE("verdicts: refusals end with the id of their record, the help line stands behind") {
  Filter filter(R"(
defaults: {help: "https://postmaster.example.com/{rule}?id={id}"}
rules:
  - rule: r
    stage: mail
    when: sender.domain == "far.example"
    then: reject 550 5.7.1
    text: "{sender.address} may not; 100% sure"
)");
  filter.services.reply_id = true;
  CHECK(Client(filter).send() == "550 5.7.1 r");
  const DecisionRecord& record = filter.records.all.back();
  REQUIRE(record.id.size() == 6);
  const auto lines = record.verdict.reply.wire_lines();
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] == "550-5.7.1 ann@far.example may not; 100% sure (id " + record.id + ")");
  CHECK(lines[1] == "550 5.7.1 https://postmaster.example.com/r?id=" + record.id);
  CHECK(record.sid.size() == 26);
  CHECK(record.policy.rfind("test#", 0) == 0);
}

TEST_CASE("verdicts: a dynamic list is asked anew at each event") {
  Filter filter(R"(
lists: {banned: {type: domain, dynamic: true}}
rules:
  - rule: banned
    stage: rcpt
    when: sender.domain in $banned
    then: reject 550 5.7.1
  - rule: report
    stage: rcpt
    when: rcpt.localpart == "abuse"
    then: add sender.domain to $banned for 1h
)");
  Client client(filter);
  client.connect(), client.helo(), client.mail();
  CHECK(client.rcpt("<bob@example.com>") == "250");
  CHECK(client.rcpt("<abuse@example.com>") == "250");
  CHECK(client.rcpt("<carol@example.com>") == "550 5.7.1 banned");
  filter.store.is_away = true;
  CHECK(client.rcpt("<dave@example.com>") == "250");
  CHECK(client.last.record.unknown.size() == 1);
}

TEST_CASE("verdicts: a weak deferral of the headers waits for the dot, a refusal does not") {
  Filter filter(R"(
rules:
  - rule: doubtful
    stage: headers
    when: spf.result == fail
    on_unknown: defer 451 4.7.24
    then: reject 550 5.7.23
  - greylist: whole
    stage: headers
    key: [client.net]
    delay: 5m
  - rule: spam
    stage: end
    when: helo.name == "spammer"
    then: reject 554 5.7.1
)");
  const auto send = [&](const std::string& helo) {
    Client client(filter);
    client.connect(), client.helo(helo), client.mail(), client.rcpt("<bob@example.com>"),
        client.data();
    return client.end();
  };
  filter.given.values["spf.result"] = Value(Unknown{UnknownReason::Timeout});
  CHECK(send("spammer") == "554 5.7.1 spam");
  CHECK(filter.store.count<backends::GreylistRecord>() == 0);
  CHECK(send("good") == "451 4.7.24 doubtful");
  CHECK(filter.store.count<backends::GreylistRecord>() == 1);
  filter.given.values["spf.result"] = Value("pass");
  CHECK(send("good") == "450 4.7.1 whole");
  filter.clock.advance(std::chrono::minutes{6});
  CHECK(send("good") == "250");
  CHECK(filter.store.count<backends::GreylistPromote>() == 1);
  filter.given.values["spf.result"] = Value("fail");
  CHECK(send("good") == "550 5.7.23 doubtful");
}

TEST_CASE("verdicts: a deferred DATA gives everything back and keeps the envelope") {
  Filter filter(R"(
rules:
  - limit: messages
    stage: mail
    key: client.ip
    count: messages
    max: 5/1h
  - rule: big
    stage: data
    when: count(rcpts, true) < 2 and sender.domain == "far.example"
    then: defer 451 4.3.0
)");
  Client client(filter);
  client.connect(), client.helo(), client.mail();
  client.rcpt("<a@example.com>");
  CHECK(client.data() == "451 4.3.0 big");
  CHECK(filter.reserved("messages") == 0);
  CHECK(client.rcpt("<b@example.com>") == "250");
  CHECK(client.last.record.from == "<ann@far.example>");
  CHECK(client.data() == "250");
}

TEST_CASE("verdicts: a mark is made only if some recipient is not spared") {
  Filter filter(R"(
rules:
  - exempt: postmaster
    stage: rcpt
    when: rcpt.localpart == "postmaster"
    from: [drop]
  - rule: drop
    stage: mail
    when: sender.localpart == "drop"
    then: discard
)");
  CHECK(Client(filter).send("<bob@example.com>", "<drop@far.example>") == "discard drop");
  CHECK(Client(filter).send("<postmaster@example.com>", "<drop@far.example>") == "250");
}

TEST_CASE("verdicts: list actions have conditions of their own, what is none is never an element") {
  Filter filter(R"(
lists: {trapped: {type: domain, dynamic: true}}
rules:
  - rule: trap
    stage: rcpt
    when: rcpt.localpart == "trap"
    then:
      - add sender.domain to $trapped for 1h unless sender.domain == "friend.example"
      - log "trapped by {rcpt.address}"
  - rule: trapped
    stage: rcpt
    when: sender.domain in $trapped
    then: reject 550 5.7.1
)");
  const auto trapped = [&](const std::string& sender) {
    Client(filter).send("<trap@example.com>", sender);
    return Client(filter).send("<bob@example.com>", sender) != "250";
  };
  CHECK(trapped("<a@far.example>"));
  CHECK_FALSE(trapped("<a@friend.example>"));
  CHECK_FALSE(trapped("<>"));
  CHECK(filter.store.count<backends::ListAdd>() == 1);
}

TEST_CASE("verdicts: rfc codes for on_unknown, catalogue texts, and what is told in a trace") {
  Filter filter(R"(
defaults: {reply_codes: rfc}
rules:
  - rule: quota
    stage: rcpt
    when: spf.result == fail
    on_unknown: defer 471
    then: reject 541
)");
  filter.services.trace = true;
  filter.given.values["spf.result"] = Value(Unknown{UnknownReason::Scanner});
  CHECK(Client(filter).send() == "451 4.3.0 quota");
  const DecisionRecord& record = filter.records.all.back();
  REQUIRE(record.trace.size() == 1);
  CHECK(record.trace[0].result == '?');
  CHECK(record.trace[0].note == "unknown=spf.result(scanner)");
  REQUIRE(record.trace[0].values.size() == 1);
  CHECK(record.trace[0].values[0].second == "?");
  filter.given.values["spf.result"] = Value("fail");
  CHECK(Client(filter).send() == "550 5.7.1 quota");
}
