// Answers do not depend on when look-ups arrive: inline, in any order later, or never (DESIGN,
// evaluation in rounds).
#include <algorithm>
#include <random>
#include <thread>

#include "engine_fixture.h"

using namespace sluice;
using namespace sluice::engine;

namespace {

// Completions that wait until they are let go, in random order.
class Later {
 public:
  explicit Later(unsigned seed) : random_(seed) {}
  void add(std::function<void()> completion) { waiting_.push_back(std::move(completion)); }
  bool release_one() {
    if (waiting_.empty()) return false;
    std::swap(waiting_[random_() % waiting_.size()], waiting_.back());
    const auto completion = std::move(waiting_.back());
    waiting_.pop_back();
    completion();
    return true;
  }
  std::size_t waiting() const { return waiting_.size(); }

 private:
  std::mt19937 random_;
  std::vector<std::function<void()>> waiting_;
};

class LateDns final : public backends::DnsResolver {
 public:
  LateDns(backends::DnsResolver& behind, Later& later) : behind_(behind), later_(later) {}
  void query(const std::string& name, backends::DnsType type, TimePoint deadline,
             backends::DnsDone done) override {
    behind_.query(name, type, deadline, [this, done](const backends::DnsAnswer& answer) {
      later_.add([done, answer] { done(answer); });
    });
  }

 private:
  backends::DnsResolver& behind_;
  Later& later_;
};

// What changes is changed at once, in order; only the answer comes later, as from a server.
class LateStore final : public backends::StoreInFront {
 public:
  LateStore(backends::StateStore& behind, Later& later) : StoreInFront(behind), later_(later) {}
  void submit(std::vector<backends::StateOp> ops, backends::StateDone done) override {
    behind_.submit(std::move(ops), [this, done](std::vector<backends::StateAnswer> answers) {
      later_.add([done, answers] { done(answers); });
    });
  }

 private:
  Later& later_;
};

const char* const kPolicy = R"(
lists: {banned: {type: domain, dynamic: true}}
dnsbl:
  zen: {zone: zen.example, of: client.ip}
  cop: {zone: cop.example, of: client.ip}
rules:
  - exempt: resolved
    stage: mail
    when: sender.resolves and sender.localpart == "friend"
    from: [cop, gl]
  - score: zen
    stage: rcpt
    when: dnsbl.zen is hit
    add: 4
  - rule: cop
    stage: mail
    when: dnsbl.cop is hit
    then: reject 554 5.7.1
  - rule: banned
    stage: rcpt
    when: sender.domain in $banned
    then: reject 550 5.7.1
  - limit: per-client
    stage: rcpt
    key: client.ip
    count: recipients
    max: 6/1h
  - limit: per-recipient
    stage: rcpt
    when: rcpt.resolves
    key: rcpt.address
    count: messages
    max: 2/1h
    charge: attempts
  - greylist: gl
    stage: rcpt
    when: score >= 4
    delay: 5m
  - rule: unresolved
    stage: rcpt
    when: not sender.resolves
    on_unknown: defer
    then: reject 510 5.1.8
  - rule: ban
    stage: data
    when: count(rcpts, rcpt.localpart == "trap") > 0 and seen(sender.address, 1d)
    then: add sender.domain to $banned for 1h
)";

struct Play {
  explicit Play(unsigned seed)
      : filter(kPolicy), later(seed), dns(filter.dns, later), store(filter.memory, later) {
    REQUIRE(filter.dns.add("9.113.0.203.zen.example A", {"127.0.0.2"}));
    REQUIRE(filter.dns.add("9.100.51.198.cop.example A", {"127.0.0.2"}));
    REQUIRE(filter.dns.add("far.example MX", {"10 mx.far.example"}));
    REQUIRE(filter.dns.add("slow.example MX", {"timeout"}));
    REQUIRE(filter.dns.add("example.com MX", {"10 mx.example.com"}));
  }
  void answer_late() {
    filter.services.dns = &dns;
    filter.services.store = &store;
  }
  // Lets completions go one by one until the session has its answer.
  std::string take(Session& session, Progress progress) {
    while (!progress) {
      while (session.round().open() > 0) REQUIRE(later.release_one());
      progress = session.resume(false);
    }
    return told(*progress) + (progress->record.unknown.empty() ? "" : " unknown");
  }
  Filter filter;
  Later later;
  LateDns dns;
  LateStore store;
};

std::vector<std::string> dialogue(Play& play, unsigned seed) {
  std::mt19937 random(seed);
  const auto pick = [&random](std::vector<std::string> from) {
    return from[random() % from.size()];
  };
  std::vector<std::string> told;
  for (int n = 0; n < 6; ++n) {
    Session session(play.filter.services, play.filter.program);
    mail::Connection connection;
    connection.client_ip = IpAddress::parse(pick({"203.0.113.9", "198.51.100.9", "192.0.2.7"}));
    connection.resolve = mail::ClientResolve::NoName;
    told.push_back(play.take(session, session.connect(connection)));
    told.push_back(play.take(session, session.helo("mail.far.example", {})));
    for (int message = 0; message < 2; ++message) {
      mail::Envelope envelope;
      envelope.sender_path = pick({"<friend@far.example>", "<ann@far.example>", "<a@slow.example>",
                                   "<x@gone.example>", "<>"});
      told.push_back(play.take(session, session.mail_from(envelope, {})));
      for (int i = 0; i < 3; ++i) {
        mail::Recipient recipient;
        recipient.path = pick(
            {"<bob@example.com>", "<carol@example.com>", "<trap@example.com>", "<q@gone.example>"});
        recipient.refused_by_mta = random() % 8 == 0;
        told.push_back(play.take(session, session.rcpt_to(recipient, "Q")));
      }
      if (random() % 5 == 0) session.abort();
      told.push_back(play.take(session, session.data("Q")));
      told.push_back(play.take(session, session.end_of_headers()));
      told.push_back(play.take(session, session.end_of_message("Q")));
      play.filter.clock.advance(std::chrono::minutes{random() % 7});
    }
  }
  while (play.later.release_one()) {
  }
  return told;
}

std::vector<std::string> state_of(Play& play) {
  std::vector<std::string> lines;
  for (const auto kind : {backends::StateEntry::Kind::Limit, backends::StateEntry::Kind::Greylist,
                          backends::StateEntry::Kind::List, backends::StateEntry::Kind::Seen}) {
    backends::StateQuery query;
    query.kind = kind;
    query.limit = 1000;
    for (const auto& entry : play.filter.memory.show(query))
      lines.push_back(entry.key + " " + entry.name + " " + std::to_string(entry.used) + "/" +
                      std::to_string(entry.reserved) + entry.state);
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

}  // namespace

TEST_CASE("arrival: answers and state are the same in any order of completions") {
  std::vector<std::string> seen;
  for (unsigned seed = 1; seed <= 60; ++seed) {
    Play inline_play(seed);
    const auto expected = dialogue(inline_play, seed);
    Play late(seed * 7919);
    late.answer_late();
    const auto got = dialogue(late, seed);
    INFO("seed " << seed);
    REQUIRE(got == expected);
    REQUIRE(state_of(late) == state_of(inline_play));
    REQUIRE(late.filter.ledger.held() == 0);
    seen.insert(seen.end(), expected.begin(), expected.end());
  }
  // The dialogues meet every kind of answer, or they prove nothing.
  for (const char* answer :
       {"554 5.7.1 cop", "450 4.7.1 gl", "510 5.1.8 unresolved", "450 4.7.28 per-client",
        "450 4.7.28 per-recipient", "451 4.4.3 unresolved unknown"})
    CHECK(std::find(seen.begin(), seen.end(), answer) != seen.end());
}

TEST_CASE(
    "arrival: what is missing at the deadline is unknown for that event only, and reservations are "
    "given back") {
  Play play(1);
  play.answer_late();
  Session session(play.filter.services, play.filter.program);
  mail::Connection connection;
  connection.client_ip = IpAddress::parse("203.0.113.9");
  play.take(session, session.connect(connection));
  play.take(session, session.helo("x", {}));
  mail::Envelope envelope;
  envelope.sender_path = "<ann@far.example>";
  play.take(session, session.mail_from(envelope, {}));
  mail::Recipient recipient;
  recipient.path = "<bob@example.com>";
  Progress progress = session.rcpt_to(recipient, "Q");
  REQUIRE_FALSE(progress.has_value());
  progress = session.resume(true);
  REQUIRE(progress.has_value());
  CHECK(!progress->record.unknown.empty());
  CHECK(progress->record.degraded);
  while (play.later.release_one()) {
  }
  CHECK(play.filter.reserved("per") == 0);
  // The answers have come in between: the next recipient has them.
  recipient.path = "<carol@example.com>";
  CHECK(play.take(session, session.rcpt_to(recipient, "Q")) == "450 4.7.1 gl");
}

TEST_CASE("arrival: a completion after the session's end does nothing, whatever thread brings it") {
  Play play(3);
  play.answer_late();
  std::vector<std::thread> threads;
  {
    Session session(play.filter.services, play.filter.program);
    mail::Connection connection;
    connection.client_ip = IpAddress::parse("203.0.113.9");
    play.take(session, session.connect(connection));
    play.take(session, session.helo("x", {}));
    mail::Envelope envelope;
    envelope.sender_path = "<ann@far.example>";
    play.take(session, session.mail_from(envelope, {}));
    mail::Recipient recipient;
    recipient.path = "<bob@example.com>";
    REQUIRE_FALSE(session.rcpt_to(recipient, "Q").has_value());
  }
  std::thread other([&play] {
    while (play.later.release_one()) {
    }
  });
  other.join();
  CHECK(play.filter.reserved("per") == 0);
  CHECK(play.filter.used("per") == 0);
}

TEST_CASE("arrival: a round wakes its waiter from another thread when the last look-up completes") {
  auto round = std::make_shared<Round>();
  auto first = round->expect(), second = round->expect();
  CHECK(round->open() == 2);
  bool woken = false;
  CHECK(round->on_complete([&woken] { woken = true; }));
  first({});
  CHECK_FALSE(woken);
  std::thread other([&second] { second({}); });
  CHECK(round->wait(std::chrono::seconds{10}));
  other.join();
  CHECK(woken);
  CHECK_FALSE(round->on_complete([] {}));
  auto late = round->expect();
  round->close();
  late({});
  CHECK(round->open() == 0);
}
