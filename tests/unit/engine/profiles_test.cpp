// Profiles, the 452 split and exemptions of content rules (LANGUAGE 6, ruling 9).
#include "engine_fixture.h"

using namespace sluice;
using namespace sluice::engine;
using policy::Value;

namespace {

std::string policy_with(const std::string& recipients) {
  return recipients + R"(
tables:
  profiles: {key: address, value: text, items: {strict@example.com: strict, lax@example.com: lax}}
rules:
  - exempt: postmaster
    stage: rcpt
    when: rcpt.localpart == "postmaster"
    from: [spam]
  - rule: by-profile
    stage: data
    when: message.profile == "strict" and sender.localpart == "doubtful"
    then: reject 550 5.7.1
  - rule: spam
    stage: end
    when: sender.localpart == "spammer"
    then: reject 554 5.7.1
)";
}

const std::string kSplit = "recipients: {profile: '$profiles[rcpt.address] ?? \"normal\"'}\n";

}  // namespace

TEST_CASE("profiles: a recipient of another profile has to come in a message of its own") {
  Filter filter(policy_with(kSplit));
  Client client(filter);
  client.connect(), client.helo(), client.mail();
  CHECK(client.rcpt("<bob@example.com>") == "250");
  CHECK(client.rcpt("<carol@example.com>") == "250");
  CHECK(client.rcpt("<strict@example.com>") == "452 4.5.3 recipients");
  CHECK(client.data() == "250");
}

TEST_CASE("profiles: an exemption of content rules is part of the profile") {
  Filter filter(policy_with(kSplit));
  Client client(filter);
  client.connect(), client.helo(), client.mail("<spammer@far.example>");
  CHECK(client.rcpt("<postmaster@example.com>") == "250");
  CHECK(client.rcpt("<bob@example.com>") == "452 4.5.3 recipients");
  CHECK(client.data() == "250");
  CHECK(client.end() == "250");
  CHECK(filter.records.all.back().exempt == std::vector<std::string>{"spam by postmaster"});
}

TEST_CASE("profiles: logged-in clients are never split, the first profile counts") {
  Filter filter(policy_with(kSplit));
  Client client(filter, "203.0.113.9", "alice");
  client.connect(), client.helo(), client.mail("<doubtful@far.example>");
  CHECK(client.rcpt("<bob@example.com>") == "250");
  CHECK(client.rcpt("<strict@example.com>") == "250");
  CHECK(client.data() == "250");
  client.mail("<doubtful@far.example>");
  client.rcpt("<strict@example.com>"), client.rcpt("<bob@example.com>");
  CHECK(client.data() == "550 5.7.1 by-profile");
}

TEST_CASE("profiles: mixed chooses the strictest or the laxest of an unsplit message") {
  const std::string order = ", split: never, order: [strict, normal, lax], mixed: ";
  const auto answer = [&](const std::string& mixed) {
    Filter filter(policy_with("recipients: {profile: '$profiles[rcpt.address] ?? \"normal\"'" +
                              order + mixed + "}\n"));
    Client client(filter);
    client.connect(), client.helo(), client.mail("<doubtful@far.example>");
    client.rcpt("<bob@example.com>"), client.rcpt("<strict@example.com>"),
        client.rcpt("<lax@example.com>");
    return client.data();
  };
  CHECK(answer("strictest") == "550 5.7.1 by-profile");
  CHECK(answer("laxest") == "250");
  CHECK(answer("first") == "250");
}

TEST_CASE(
    "profiles: in an unsplit message a content rule is skipped only if all recipients are exempt") {
  Filter filter(policy_with(""));
  Client client(filter);
  client.connect(), client.helo(), client.mail("<spammer@far.example>");
  client.rcpt("<postmaster@example.com>"), client.rcpt("<bob@example.com>");
  client.data();
  CHECK(client.end() == "554 5.7.1 spam");
  client.mail("<spammer@far.example>");
  client.rcpt("<postmaster@example.com>"), client.rcpt("<postmaster@example.org>");
  client.data();
  CHECK(client.end() == "250");
}

TEST_CASE(
    "profiles: seen is recorded for every recipient when the message is accepted, and not before") {
  Filter filter(R"(
rules:
  - rule: first-contact
    stage: data
    when: any(rcpts, not seen([sender.address, rcpt.address], 30d))
    then: log "first contact"
  - rule: spam
    stage: end
    when: helo.name == "spammer"
    then: reject 550 5.7.1
)");
  const auto is_first = [&](const std::string& helo, std::vector<std::string> recipients) {
    Client client(filter);
    client.connect(), client.helo(helo), client.mail();
    for (const auto& one : recipients) client.rcpt(one);
    client.data();
    const bool first = !client.last.record.log.empty();
    client.end();
    return first;
  };
  CHECK(is_first("spammer", {"<bob@example.com>"}));
  CHECK(is_first("good", {"<bob@example.com>", "<carol@example.com>"}));
  CHECK_FALSE(is_first("good", {"<carol@example.com>"}));
  CHECK_FALSE(is_first("good", {"<Bob@example.com>", "<carol@example.com>"}));
  CHECK(is_first("good", {"<bob@example.com>", "<dave@example.com>"}));
}

TEST_CASE("profiles: for_each looks at each recipient and drops some of them") {
  Filter filter(R"(
rules:
  - rule: not-for-staff
    stage: data
    for_each: rcpt
    when: rcpt.localpart == "staff"
    then: drop recipient
)");
  Client client(filter);
  client.connect(), client.helo(), client.mail();
  client.rcpt("<bob@example.com>"), client.rcpt("<staff@example.com>");
  client.data();
  CHECK(client.end() == "250");
  const auto& edits = filter.records.all.back().verdict.edits;
  REQUIRE(edits.size() == 1);
  CHECK(edits.front().kind == mail::Edit::Kind::RemoveRecipient);
  CHECK(edits.front().name == "staff@example.com");
}
