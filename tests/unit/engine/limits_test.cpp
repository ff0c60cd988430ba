// Limits: what is asked, when it is counted and when it is given back (LANGUAGE 7, rulings 4 to 6).
#include "engine_fixture.h"

using namespace sluice;
using namespace sluice::engine;

namespace {

const char* const kPerMessage = R"(
defaults: {reply_at: stage}
rules:
  - limit: messages
    stage: mail
    key: client.ip
    count: messages
    max: 2/1h
)";

}  // namespace

TEST_CASE("limits: a message counts once it was accepted, and the third one waits") {
  Filter filter(kPerMessage);
  CHECK(Client(filter).send() == "250");
  CHECK(filter.used("messages") == 1);
  CHECK(Client(filter).send() == "250");
  Client third(filter);
  third.connect(), third.helo();
  CHECK(third.mail() == "450 4.7.28 messages");
  CHECK(third.last.verdict.reply.text() == "Limit of 2/1h reached, try again in 1h");
  CHECK(filter.used("messages") == 2);
}

TEST_CASE(
    "limits: what is reserved is given back by RSET, by a client that is gone and by a refusal") {
  Filter filter(kPerMessage);
  {
    Client client(filter);
    client.connect(), client.helo(), client.mail();
    CHECK(filter.reserved("messages") == 1);
    client.session->abort();
    CHECK(filter.reserved("messages") == 0);
    client.mail();
    CHECK(filter.reserved("messages") == 1);
    CHECK(filter.ledger.held() == 1);
  }
  CHECK(filter.reserved("messages") == 0);
  CHECK(filter.used("messages") == 0);
  CHECK(filter.ledger.held() == 0);
}

TEST_CASE("limits: a reservation is held against others until it is settled") {
  Filter filter(kPerMessage);
  Client a(filter), b(filter), c(filter);
  for (Client* client : {&a, &b, &c}) client->connect(), client->helo();
  CHECK(a.mail() == "250");
  CHECK(b.mail() == "250");
  CHECK(c.mail() == "450 4.7.28 messages");
  a.session->abort();
  CHECK(c.mail() == "250");
}

TEST_CASE("limits: RSET after an answered dot releases nothing") {
  Filter filter(kPerMessage);
  Client client(filter);
  CHECK(client.send() == "250");
  client.session->abort();
  CHECK(filter.used("messages") == 1);
}

TEST_CASE("limits: attempts are charged when their stage is decided, accepted or not") {
  Filter filter(R"(
rules:
  - limit: attempts
    stage: rcpt
    key: client.ip
    count: recipients
    max: 3/1h
    charge: attempts
  - rule: nobody
    stage: rcpt
    when: rcpt.localpart == "nobody"
    then: reject 550 5.1.1
)");
  Client client(filter);
  client.connect(), client.helo(), client.mail();
  for (int i = 0; i < 3; ++i) CHECK(client.rcpt("<nobody@example.com>") == "550 5.1.1 nobody");
  CHECK(filter.used("attempts") == 3);
  CHECK(client.rcpt("<bob@example.com>") == "450 4.7.28 attempts");
  CHECK(filter.used("attempts") == 3);  // what the limit itself refuses is not charged to it
}

TEST_CASE("limits: those that go out together are given back behind the first that refuses") {
  Filter filter(R"(
rules:
  - limit: first
    stage: rcpt
    key: client.ip
    count: recipients
    max: 5/1h
  - limit: second
    stage: rcpt
    key: rcpt.address
    count: recipients
    max: 1/1h
  - limit: third
    stage: rcpt
    key: sender.address ?? "nobody"
    count: recipients
    max: 9/1h
)");
  Client client(filter);
  client.connect(), client.helo(), client.mail();
  filter.store.forget_ops();
  CHECK(client.rcpt("<bob@example.com>") == "250");
  CHECK(filter.store.count<backends::Reserve>() == 3);
  CHECK(filter.store.submissions == 1);
  CHECK(client.rcpt("<bob@example.com>") == "450 4.7.28 second");
  CHECK(filter.reserved("first") == 1);
  CHECK(filter.reserved("second") == 1);
  CHECK(filter.reserved("third") == 1);
}

TEST_CASE("limits: nothing is reserved behind a rule that decides") {
  Filter filter(R"(
rules:
  - rule: closed
    stage: rcpt
    when: rcpt.localpart == "closed"
    then: reject 550 5.1.1
  - limit: recipients
    stage: rcpt
    key: client.ip
    count: recipients
    max: 5/1h
)");
  Client client(filter);
  client.connect(), client.helo(), client.mail();
  filter.store.forget_ops();
  CHECK(client.rcpt("<closed@example.com>") == "550 5.1.1 closed");
  CHECK(filter.store.submissions == 0);
}

TEST_CASE(
    "limits: messages at rcpt count once for a key, and not when no recipient of it was accepted") {
  Filter filter(R"(
rules:
  - limit: to-domain
    stage: rcpt
    key: rcpt.domain
    count: messages
    max: 1/1h
  - rule: nobody
    stage: rcpt
    when: rcpt.localpart == "nobody"
    then: reject 550 5.1.1
)");
  Client client(filter);
  client.connect(), client.helo(), client.mail();
  CHECK(client.rcpt("<nobody@example.org>") == "550 5.1.1 nobody");
  CHECK(filter.reserved("to-domain") == 0);
  CHECK(client.rcpt("<bob@example.com>") == "250");
  CHECK(client.rcpt("<carol@example.com>") == "250");
  CHECK(client.rcpt("<nobody@example.com>") == "550 5.1.1 nobody");
  CHECK(filter.reserved("to-domain") == 1);
  CHECK(client.data() == "250");
  CHECK(client.end() == "250");
  CHECK(filter.used("to-domain") == 1);
  client.mail();
  CHECK(client.rcpt("<bob@example.com>") == "450 4.7.28 to-domain");
  CHECK(client.rcpt("<bob@example.org>") == "250");
}

TEST_CASE("limits: a limit without a deciding action counts above its maximum and acts") {
  Filter filter(R"(
lists: {hot: {type: cidr, dynamic: true}}
rules:
  - rule: is-hot
    stage: mail
    reply_at: stage
    when: client.ip in $hot
    then: reject 550 5.7.1
  - limit: many
    stage: end
    key: client.ip
    count: messages
    max: 2/1h
    then: add client.ip to $hot for 1h
)");
  for (int i = 0; i < 3; ++i) CHECK(Client(filter).send() == "250");
  CHECK(filter.used("many") == 3);
  CHECK(Client(filter).send() == "550 5.7.1 is-hot");
  filter.clock.advance(std::chrono::hours{1});
  CHECK(Client(filter).send() == "250");
}

TEST_CASE("limits: failures are charged by recipients of both kinds and asked for at mail") {
  Filter filter(R"(
defaults: {reply_at: stage}
rules:
  - limit: guesses
    stage: mail
    key: client.ip
    count: failures
    max: 2/1h
    then: defer 451 4.7.28
  - rule: nobody
    stage: rcpt
    when: rcpt.localpart == "nobody"
    then: reject 550 5.1.1
)");
  Client client(filter);
  client.connect(), client.helo();
  CHECK(client.mail() == "250");
  CHECK(client.rcpt("<guess@example.com>", true) == "250");  // the MTA says 550 itself
  CHECK(filter.used("guesses") == 1);
  CHECK(client.rcpt("<nobody@example.com>") == "550 5.1.1 nobody");
  CHECK(filter.used("guesses") == 2);
  CHECK(client.mail() == "451 4.7.28 guesses");
}

TEST_CASE("limits: failures at rcpt are judged after the verdict on the recipient") {
  Filter filter(R"(
lists: {guessers: {type: cidr, dynamic: true}}
rules:
  - limit: guesses
    stage: rcpt
    key: client.ip
    count: failures
    max: 2/1h
    then: [add client.ip to $guessers, disconnect 421 4.7.0]
  - rule: nobody
    stage: rcpt
    when: rcpt.localpart == "nobody"
    then: reject 550 5.1.1
)");
  Client client(filter);
  client.connect(), client.helo(), client.mail();
  CHECK(client.rcpt("<guess1@example.com>", true) == "250");
  CHECK(client.rcpt("<nobody@example.com>") == "550 5.1.1 nobody");
  CHECK(client.rcpt("<bob@example.com>") == "250");
  CHECK(filter.store.count<backends::ListAdd>() == 0);
  CHECK(client.rcpt("<guess2@example.com>", true) ==
        "250");  // its reply is not seen, the other actions count
  CHECK(filter.store.count<backends::ListAdd>() == 1);
  CHECK(client.rcpt("<nobody@example.com>") == "421 4.7.0 guesses");
}

TEST_CASE("limits: with the store away this host counts alone, skips or defers as the rule says") {
  const auto policy = [](const char* on_error) {
    return std::string(R"(
defaults: {reply_at: stage}
rules:
  - limit: messages
    stage: mail
    key: client.ip
    count: messages
    max: 2/1h
)") + on_error;
  };
  SECTION("local, with a share of the limit") {
    Filter filter(policy("    fallback: 50%\n"));
    filter.store.is_away = true;
    CHECK(Client(filter).send() == "250");
    CHECK(Client(filter).send() == "450 4.7.28 messages");
    CHECK(filter.records.all.back().degraded);
  }
  SECTION("skip") {
    Filter filter(policy("    on_error: skip\n"));
    filter.store.is_away = true;
    for (int i = 0; i < 4; ++i) CHECK(Client(filter).send() == "250");
  }
  SECTION("defer, weak and therefore at RCPT") {
    Filter filter(policy("    on_error: defer\n"));
    filter.store.is_away = true;
    CHECK(Client(filter).send() == "451 4.3.0 messages");
  }
}

TEST_CASE("limits: exempt traffic is not counted unless the limit says so") {
  const auto policy = [](const char* count_exempt) {
    return std::string(R"(
rules:
  - exempt: friends
    stage: connect
    when: client.ip in ["203.0.113.0/24"]
    from: all
  - limit: messages
    stage: mail
    key: client.ip
    count: messages
    max: 1/1h
)") + count_exempt;
  };
  Filter plain(policy(""));
  for (int i = 0; i < 3; ++i) CHECK(Client(plain).send() == "250");
  CHECK(plain.used("messages") == 0);
  CHECK(plain.records.all.back().exempt.empty());
  Filter counting(policy("    count_exempt: true\n"));
  for (int i = 0; i < 3; ++i) CHECK(Client(counting).send() == "250");
  CHECK(counting.used("messages") == 3);
}

TEST_CASE("limits: distinct values that are known always fit") {
  Filter filter(R"(
defaults: {reply_at: stage}
rules:
  - limit: domains
    stage: mail
    when: sender.domain is set
    key: client.ip
    count: distinct sender.domain
    max: 2/1h
    then: reject 550 5.7.1
)");
  CHECK(Client(filter).send("<b@example.com>", "<a@one.example>") == "250");
  CHECK(Client(filter).send("<b@example.com>", "<a@two.example>") == "250");
  CHECK(Client(filter).send("<b@example.com>", "<a@three.example>") == "550 5.7.1 domains");
  CHECK(Client(filter).send("<b@example.com>", "<A@ONE.example>") == "250");
}

TEST_CASE("limits: a shadow limit does not charge what it would have refused") {
  Filter filter(R"(
rules:
  - limit: messages
    stage: mail
    mode: shadow
    key: client.ip
    count: messages
    max: 2/1h
)");
  for (int i = 0; i < 4; ++i) CHECK(Client(filter).send() == "250");
  CHECK(filter.used("messages") == 2);
  std::size_t would = 0;
  for (const auto& record : filter.records.all) would += record.would.size();
  CHECK(would == 2);
}

TEST_CASE("limits: a refusal is remembered for a moment and spares the store") {
  Filter filter(kPerMessage);
  for (int i = 0; i < 2; ++i) Client(filter).send();
  CHECK(Client(filter).send() == "450 4.7.28 messages");
  filter.store.forget_ops();
  CHECK(Client(filter).send() == "450 4.7.28 messages");
  CHECK(filter.store.submissions == 0);
  filter.clock.advance(kDenyMemory);
  CHECK(Client(filter).send() == "450 4.7.28 messages");
  CHECK(filter.store.submissions > 0);
}

TEST_CASE("limits: each unit over the limit costs its delay, up to the cap") {
  const std::string charge = GENERATE("accepted", "attempts");
  Filter filter(R"(
rules:
  - limit: recipients
    stage: rcpt
    key: client.ip
    count: recipients
    max: 2/1h
    charge: )" + charge + R"(
    then: delay 1s each max 3s
)");
  Client client(filter);
  client.connect(), client.helo(), client.mail();
  const std::vector<int> seconds{0, 0, 1, 2, 3, 3};
  for (const int expected : seconds) {
    CHECK(client.rcpt("<bob@example.com>") == "250");
    CHECK(client.last.verdict.delay == std::chrono::seconds{expected});
  }
}

TEST_CASE("limits: of distinct values each new one over the limit costs its delay") {
  Filter filter(R"(
rules:
  - limit: domains
    stage: rcpt
    key: client.ip
    count: distinct rcpt.domain
    max: 2/1h
    then: delay 1s each
)");
  Client(filter).send("<bob@one.example>");
  Client client(filter);
  client.connect(), client.helo(), client.mail();
  const std::vector<std::pair<std::string, int>> delays{
      {"one", 0}, {"two", 0}, {"three", 1}, {"one", 0}, {"four", 2}};
  for (const auto& [domain, expected] : delays) {
    CHECK(client.rcpt("<bob@" + domain + ".example>") == "250");
    CHECK(client.last.verdict.delay == std::chrono::seconds{expected});
  }
}

TEST_CASE("limits: a connection counts when its greeting was not refused") {
  Filter filter(R"(
rules:
  - limit: connections
    stage: connect
    key: client.ip
    count: connections
    max: 2/1m
    then: disconnect 421 4.3.2
)");
  CHECK(Client(filter).connect() == "250");
  CHECK(Client(filter).connect() == "250");
  CHECK(Client(filter).connect() == "421 4.3.2 connections");
  CHECK(filter.used("connections") == 2);
}

TEST_CASE("limits: the local limiter is exact, bounded and answers limits only") {
  VirtualClock clock(TimePoint{std::chrono::hours{24 * 20'000}});
  LocalLimiter local(clock);
  const auto ask = [&](backends::StateOp op) {
    backends::StateAnswer got;
    local.submit({std::move(op)}, [&got](const auto& answers) { got = answers.front(); });
    return got;
  };
  backends::Reserve reserve;
  reserve.key = "k";
  reserve.windows = {{2, Duration{60'000}}};
  for (reserve.id = 1; reserve.id <= 2; ++reserve.id) {
    CHECK(ask(reserve).granted);
    backends::Commit commit;
    commit.id = reserve.id;
    commit.key = reserve.key;
    commit.windows = reserve.windows;
    CHECK(ask(commit).available);
  }
  CHECK_FALSE(ask(reserve).granted);
  clock.advance(Duration{62'000});
  ++reserve.id;
  CHECK(ask(reserve).granted);
  CHECK_FALSE(ask(backends::Seen{"x"}).available);
}
