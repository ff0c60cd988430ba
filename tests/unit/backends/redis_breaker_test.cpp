#include "backends/redis_breaker.h"

#include <catch2/catch.hpp>

using namespace sluice;
using namespace sluice::backends;
using State = RedisBreaker::State;

namespace {

RedisBreaker::Time at(int milliseconds) {
  return RedisBreaker::Time{} + std::chrono::hours(1) + Duration{milliseconds};
}

}  // namespace

TEST_CASE("redis breaker: five failures within a second open it, however much succeeds") {
  RedisBreaker breaker;
  for (int i = 0; i < 1000; ++i) breaker.succeeded(at(i / 2));
  for (int i = 0; i < 4; ++i) breaker.failed(at(500 + i));
  CHECK(breaker.state() == State::Closed);
  breaker.failed(at(510));
  CHECK(breaker.state() == State::Open);
  CHECK_FALSE(breaker.admits(at(511)));
}

TEST_CASE("redis breaker: half of few calls open it, one failure alone does not") {
  RedisBreaker breaker;
  breaker.failed(at(0));
  breaker.failed(at(1));
  CHECK(breaker.state() == State::Closed);
  breaker.failed(at(2));
  CHECK(breaker.state() == State::Open);
  RedisBreaker other;
  for (int i = 0; i < 4; ++i) other.succeeded(at(i));
  for (int i = 0; i < 3; ++i) other.failed(at(10 + i));
  CHECK(other.state() == State::Closed);
}

TEST_CASE("redis breaker: failures are forgotten after a second") {
  RedisBreaker breaker;
  for (int i = 0; i < 20; ++i) {
    breaker.failed(at(i * 600));
    CHECK(breaker.state() == State::Closed);
  }
}

TEST_CASE("redis breaker: one probe in 250 ms, whose success closes it") {
  RedisBreaker breaker;
  for (int i = 0; i < 5; ++i) breaker.failed(at(0));
  CHECK_FALSE(breaker.admits(at(249)));
  CHECK(breaker.is_probe_due(at(250)));
  CHECK(breaker.admits(at(250)));
  CHECK(breaker.state() == State::HalfOpen);
  CHECK_FALSE(breaker.admits(at(251)));
  breaker.failed(at(260));
  CHECK(breaker.state() == State::Open);
  CHECK_FALSE(breaker.admits(at(509)));
  CHECK(breaker.admits(at(510)));
  breaker.succeeded(at(511));
  CHECK(breaker.state() == State::Closed);
  // The old failures do not count any more.
  breaker.failed(at(512));
  CHECK(breaker.state() == State::Closed);
}

TEST_CASE("redis breaker: a probe that is never heard of is followed by another") {
  RedisBreaker breaker;
  breaker.open_for(at(0), Duration{5'000});
  CHECK_FALSE(breaker.admits(at(4'999)));
  CHECK(breaker.admits(at(5'000)));
  CHECK_FALSE(breaker.admits(at(5'249)));
  CHECK(breaker.admits(at(5'250)));
}

TEST_CASE("redis breaker: a new connection may be probed at once") {
  RedisBreaker breaker;
  for (int i = 0; i < 5; ++i) breaker.failed(at(0));
  breaker.probe_soon(at(3));
  CHECK(breaker.admits(at(3)));
  CHECK_FALSE(breaker.admits(at(4)));
}

TEST_CASE("redis backoff: doubles from 20 ms to 1 s, and is never all the same") {
  RedisBackoff backoff;
  Duration longest{20};
  for (int i = 0; i < 12; ++i) {
    RedisBackoff lower = backoff, upper = backoff;
    CHECK(lower.next(0) == longest / 2);
    CHECK(upper.next(static_cast<std::uint32_t>((longest - longest / 2).count())) == longest);
    backoff.next(12345);
    longest = std::min(longest * 2, Duration{1'000});
  }
  backoff.reset();
  CHECK(backoff.next(0) == Duration{10});
  backoff.raise_to(Duration{1'000});
  CHECK(backoff.next(0) == Duration{500});
}

TEST_CASE("redis retry budget: one retry for ten calls") {
  RedisRetryBudget budget;
  int retries = 0;
  for (int i = 0; i < 10'000; ++i) {
    budget.called();
    if (budget.take()) ++retries;
  }
  CHECK(retries > 990);
  CHECK(retries <= 1'010);
}
