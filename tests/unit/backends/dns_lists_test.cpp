#include "backends/dns_lists.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <map>
#include <thread>

using namespace sluice;
using namespace sluice::backends;
using State = ListHealth::State;

namespace {

constexpr char kV6Listed[] =
    "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.zen.example";
constexpr char kV6Unlisted[] =
    "1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.zen.example";

DnsAnswer no() { return {.status = DnsStatus::NxDomain, .records = {}}; }
DnsAnswer listed(const char* address = "127.0.0.2") {
  return {.status = DnsStatus::Ok,
          .records = {{.address = *IpAddress::parse(address), .text = {}, .preference = 0}}};
}

// A resolver whose answers a test sets; unset ones do not exist. While `is_slow`, questions wait
// until answer_all().
class ScriptedDns final : public DnsResolver {
 public:
  std::map<std::string, DnsAnswer> answers;
  std::optional<DnsAnswer> to_all;
  bool is_slow = false;
  std::vector<std::string> asked, forgotten;

  void query(const std::string& name, DnsType, TimePoint, DnsDone done) override {
    asked.push_back(name);
    const auto at = answers.find(name);
    const DnsAnswer answer = to_all ? *to_all : at != answers.end() ? at->second : no();
    if (is_slow) {
      open_.emplace_back(answer, std::move(done));
    } else {
      done(answer);
    }
  }
  void forget(const std::string& name, DnsType) override { forgotten.push_back(name); }
  void answer_all() {
    const auto open = std::exchange(open_, {});
    for (const auto& [answer, done] : open) done(answer);
  }

 private:
  std::vector<std::pair<DnsAnswer, DnsDone>> open_;
};

struct Bench {
  ScriptedDns dns;
  VirtualClock clock{TimePoint{Duration{1'000'000'000}}};
  DnsLists lists{dns, clock};

  explicit Bench(DnsList list = addresses()) {
    dns.answers["2.0.0.127.zen.example"] = listed();
    dns.answers["test.zen.example"] = listed();
    lists.watch({list});
  }
  static DnsList addresses() {
    return {"zen.example",
            true,
            false,
            true,
            {{*IpAddress::parse("127.255.255.0"), *IpAddress::parse("127.255.255.255")}}};
  }
  static DnsList names() { return {"zen.example", false, true, true, {}}; }

  DnsStatus ask(const std::string& name = "9.113.0.203.zen.example", DnsType type = DnsType::A) {
    std::optional<DnsStatus> status;
    lists.query(name, type, clock.now() + Duration{8000},
                [&](const DnsAnswer& answer) { status = answer.status; });
    REQUIRE(status);
    return *status;
  }
  State state() const { return lists.health().at(0).state; }
  std::string why() const { return lists.health().at(0).why; }
  void pass(Duration time) {
    clock.advance(time);
    lists.tick();
  }
};

}  // namespace

TEST_CASE("dns lists: other names and other types go straight to the resolver") {
  Bench b;
  CHECK(b.ask("mail.example", DnsType::A) == DnsStatus::NxDomain);
  CHECK(b.ask("zen.example", DnsType::A) == DnsStatus::NxDomain);
  CHECK(b.ask("notzen.example", DnsType::A) == DnsStatus::NxDomain);
  CHECK(b.ask("9.113.0.203.zen.example", DnsType::Mx) == DnsStatus::NxDomain);
  CHECK(b.ask("host.zen.example", DnsType::A) == DnsStatus::NxDomain);  // of addresses alone
  CHECK(b.dns.asked.size() == 5);
  CHECK(b.state() == State::Untested);
}

TEST_CASE("dns lists: the first question waits for the test entries of both families") {
  Bench b;
  b.dns.answers["9.113.0.203.zen.example"] = listed("127.0.0.4");
  b.dns.is_slow = true;
  std::optional<DnsStatus> status;
  b.lists.query("9.113.0.203.zen.example", DnsType::A, b.clock.now() + Duration{8000},
                [&](const DnsAnswer& answer) { status = answer.status; });
  CHECK(b.dns.asked == std::vector<std::string>{"2.0.0.127.zen.example", "1.0.0.127.zen.example",
                                                kV6Listed, kV6Unlisted});
  CHECK(b.dns.forgotten == b.dns.asked);  // a cached answer proves nothing
  b.dns.answer_all();
  CHECK_FALSE(status);
  b.dns.answer_all();
  CHECK(status == DnsStatus::Ok);
  CHECK(b.state() == State::Good);
  CHECK(b.lists.take_changes().empty());  // that it is good is no news
}

TEST_CASE("dns lists: one that lists everything is off, and back when it does not any more") {
  Bench b;
  b.dns.to_all = listed();
  CHECK(b.ask() == DnsStatus::Breaker);
  CHECK(b.state() == State::Off);
  CHECK(b.why() == "it lists ::FFFF:7F00:1, so everything");
  const auto asked = b.dns.asked.size();
  CHECK(b.ask() == DnsStatus::Breaker);
  CHECK(b.dns.asked.size() == asked);  // at once
  CHECK(b.lists.take_changes().size() == 1);
  b.pass(kTestEvery);
  CHECK(b.lists.take_changes().empty());  // told once
  b.dns.to_all.reset();
  b.pass(kTestEvery - Duration{1000});
  CHECK(b.state() == State::Off);
  b.pass(Duration{1000});
  CHECK(b.state() == State::Good);
  CHECK(b.ask() == DnsStatus::NxDomain);
  const auto changes = b.lists.take_changes();
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].state == State::Good);
  CHECK(b.lists.health()[0].withheld == 2);
}

TEST_CASE("dns lists: one family may be off while the other is believed") {
  Bench b;
  b.dns.answers[kV6Listed] = b.dns.answers[kV6Unlisted] = listed();
  CHECK(b.ask() == DnsStatus::NxDomain);
  CHECK(b.state() == State::Off);
  CHECK(b.ask("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.zen.example") ==
        DnsStatus::Breaker);
}

TEST_CASE("dns lists: a list of IPv4 alone, of IPv6 alone, and of names") {
  Bench v4;
  CHECK(v4.ask() == DnsStatus::NxDomain);
  CHECK(v4.state() == State::Good);
  Bench v6;
  v6.dns.answers = {{kV6Listed, listed()}};
  CHECK(v6.ask() == DnsStatus::NxDomain);
  CHECK(v6.state() == State::Good);
  Bench names(Bench::names());
  CHECK(names.ask("bad.example.zen.example") == DnsStatus::NxDomain);
  CHECK(names.state() == State::Good);
  CHECK(names.dns.asked == std::vector<std::string>{"test.zen.example", "invalid.zen.example",
                                                    "bad.example.zen.example"});
  names.dns.answers["invalid.zen.example"] = listed();
  names.pass(kTestEvery);
  CHECK(names.why() == "it lists INVALID, so everything");
}

TEST_CASE("dns lists: without its test entry a list is off, unless it is said to have none") {
  Bench b;
  b.dns.answers.clear();
  CHECK(b.ask() == DnsStatus::Breaker);
  CHECK(b.why() == "it does not list 127.0.0.2, its test entry");
  DnsList list = Bench::addresses();
  list.has_test_entries = false;
  Bench own(list);
  own.dns.answers.clear();
  CHECK(own.ask() == DnsStatus::NxDomain);
  CHECK(own.state() == State::Good);
  own.dns.answers["1.0.0.127.zen.example"] = listed();
  own.pass(kTestEvery);
  CHECK(own.state() == State::Off);
}

TEST_CASE("dns lists: one that refuses us, or was sold, is off") {
  Bench refused;
  refused.dns.to_all = listed("127.255.255.254");
  CHECK(refused.ask() == DnsStatus::Breaker);
  CHECK(refused.why() == "it answers 127.255.255.254, which is no listing");
  Bench sold;
  sold.dns.to_all = listed("203.0.113.80");
  CHECK(sold.ask() == DnsStatus::Breaker);
  CHECK(sold.why() == "it answers 203.0.113.80, which is no listing");
}

TEST_CASE("dns lists: a row of hits makes the next question wait for a test") {
  Bench b;
  CHECK(b.ask() == DnsStatus::NxDomain);
  b.dns.to_all = listed();
  for (int i = 0; i < kHitsInARow; ++i)
    CHECK(b.ask(std::to_string(i) + ".113.0.203.zen.example") == DnsStatus::Ok);
  CHECK(b.ask() == DnsStatus::Breaker);
  CHECK(b.state() == State::Off);
}

TEST_CASE("dns lists: after ten failures nobody asks for five minutes, then a test decides") {
  Bench b;
  CHECK(b.ask() == DnsStatus::NxDomain);
  b.dns.to_all = DnsAnswer{.status = DnsStatus::ServFail, .records = {}};
  for (int i = 0; i < kFailuresInARow; ++i) CHECK(b.ask() == DnsStatus::ServFail);
  CHECK(b.state() == State::Silent);
  const auto asked = b.dns.asked.size();
  b.pass(kSilence - Duration{1000});
  CHECK(b.ask() == DnsStatus::Breaker);
  CHECK(b.dns.asked.size() == asked);
  b.pass(Duration{1000});  // the test: still no answer
  CHECK(b.dns.asked.size() == asked + 4);
  CHECK(b.ask() == DnsStatus::Breaker);
  b.dns.to_all.reset();
  b.pass(kSilence);
  CHECK(b.state() == State::Good);
  CHECK(b.ask() == DnsStatus::NxDomain);
  CHECK(b.lists.take_changes().size() == 2);
}

TEST_CASE("dns lists: a timeout counts only when the question was given time") {
  Bench b;
  CHECK(b.ask() == DnsStatus::NxDomain);
  b.dns.to_all = DnsAnswer{};
  for (int i = 0; i < 2 * kFailuresInARow; ++i) CHECK(b.ask() == DnsStatus::Timeout);
  CHECK(b.state() == State::Good);
  b.dns.is_slow = true;
  for (int i = 0; i < kFailuresInARow; ++i) {
    b.lists.query("9.113.0.203.zen.example", DnsType::A, b.clock.now() + Duration{8000},
                  [](const DnsAnswer&) {});
    b.clock.advance(Duration{2000});
    b.dns.answer_all();
  }
  CHECK(b.state() == State::Silent);
}

TEST_CASE("dns lists: what was never tested is not believed while the DNS is dead") {
  Bench b;
  b.dns.to_all = DnsAnswer{.status = DnsStatus::ServFail, .records = {}};
  CHECK(b.ask() == DnsStatus::Breaker);
  CHECK(b.state() == State::Untested);
  b.dns.to_all.reset();
  CHECK(b.ask() == DnsStatus::NxDomain);
  CHECK(b.state() == State::Good);
  b.dns.to_all = DnsAnswer{.status = DnsStatus::ServFail, .records = {}};
  b.pass(kTestEvery);
  CHECK(b.state() == State::Good);  // a test without result takes nothing away
}

TEST_CASE("dns lists: a reload keeps what is known, and tests what is new") {
  Bench b;
  CHECK(b.ask() == DnsStatus::NxDomain);
  b.dns.asked.clear();
  b.lists.watch({Bench::addresses(), {"cop.example", true, false, true, {}}});
  b.lists.tick();
  CHECK(b.lists.health().size() == 2);
  CHECK(b.state() == State::Off);  // cop.example holds no test entry
  CHECK(b.dns.asked.size() == 4);
  b.lists.watch({Bench::addresses()});
  CHECK(b.lists.health().size() == 1);
  CHECK(b.state() == State::Good);
  CHECK(b.ask("9.113.0.203.cop.example") == DnsStatus::Breaker);  // of a session of the old policy
}

TEST_CASE("dns lists: answers that come after its end are dropped with care") {
  ScriptedDns dns;
  VirtualClock clock;
  {
    DnsLists lists(dns, clock);
    lists.watch({Bench::addresses()});
    dns.is_slow = true;
    lists.tick();
  }
  dns.is_slow = false;
  dns.answer_all();
  CHECK(dns.asked.size() == 4);
}

namespace {

// Answers at once on any thread: the list holds its test entry and nothing else.
class SoundList final : public DnsResolver {
 public:
  void query(const std::string& name, DnsType, TimePoint, DnsDone done) override {
    done(name == "2.0.0.127.zen.example" ? listed() : no());
  }
};

}  // namespace

TEST_CASE("dns lists: many threads ask while it is tested, told and looked at") {
  SoundList dns;
  const SystemClock clock;
  DnsLists lists(dns, clock);
  lists.watch({Bench::addresses()});
  constexpr int kThreads = 4, kEach = 2000;
  std::atomic<int> answered{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i)
        lists.query("9.113.0.203.zen.example", DnsType::A, clock.now() + Duration{8000},
                    [&](const DnsAnswer& answer) {
                      answered += answer.status == DnsStatus::NxDomain ? 1 : 0;
                    });
    });
  }
  for (int i = 0; i < 200; ++i) {
    lists.tick();
    lists.watch({Bench::addresses()});
    CHECK(lists.health().size() == 1);
    CHECK(lists.take_changes().empty());
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(answered == kThreads * kEach);
  CHECK(lists.health()[0].asked == kThreads * kEach);
}
