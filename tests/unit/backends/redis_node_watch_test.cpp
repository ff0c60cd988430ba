#include "backends/redis_node_watch.h"

#include <catch2/catch.hpp>

namespace sluice::backends {

namespace {

const TimePoint kNoon{Duration{1'795'608'000'000}};
using Lines = std::vector<std::string>;

Duration s(std::int64_t n) { return Duration{n * 1000}; }

RedisNodeHealth up() { return {"10.0.0.1:6379", "master", "closed", true, ""}; }
RedisNodeHealth away(std::string why) {
  return {"10.0.0.1:6379", "unknown", "closed", false, std::move(why)};
}

}  // namespace

TEST_CASE("redis node watch: a server is told when it first answers, goes and comes back") {
  RedisNodeWatch watch;
  CHECK(watch.look({away("")}, kNoon).empty());  // the first connection is on its way
  CHECK(watch.look({up()}, kNoon) == Lines{"redis: 10.0.0.1:6379 takes calls as master"});
  CHECK(watch.look({up()}, kNoon + s(100)).empty());
  CHECK(watch.look({away("no reply in time")}, kNoon + s(200)) ==
        Lines{"redis: 10.0.0.1:6379 takes no calls: no reply in time"});
  CHECK(watch.look({away("no connection")}, kNoon + s(202)) ==
        Lines{"redis: 10.0.0.1:6379 takes no calls: no connection"});
  CHECK(watch.look({away("no reply in time")}, kNoon + s(203)).empty());
  CHECK(watch.look({away("no connection")}, kNoon + s(204)).empty());
  CHECK(watch.look({up()}, kNoon + s(205)) ==
        Lines{"redis: 10.0.0.1:6379 takes calls again, after 5s"});
}

TEST_CASE("redis node watch: a server that was never there, and one whose breaker is open") {
  RedisNodeWatch watch;
  CHECK(watch.look({away("no connection")}, kNoon) ==
        Lines{"redis: 10.0.0.1:6379 takes no calls: no connection"});
  auto open = up();
  open.at = "10.0.0.2:6379";
  open.breaker = "open";
  open.why = "NOPERM this user has no permissions";
  CHECK(watch.look({open}, kNoon) ==
        Lines{"redis: 10.0.0.2:6379 takes no calls: NOPERM this user has no permissions"});
}

TEST_CASE("redis node watch: who comes and goes all the time gets a line every ten seconds") {
  RedisNodeWatch watch;
  std::size_t lines = 0, counted = 0;
  for (int i = 0; i < 600; ++i) {  // a minute, ten changes a second
    const auto node = i % 2 == 0 ? up() : away("the connection broke");
    for (const auto& line : watch.look({node}, kNoon + Duration{i * 100})) {
      ++lines;
      counted += line.find("changes meanwhile") != std::string::npos ? 1 : 0;
    }
  }
  CHECK(lines >= 7);
  CHECK(lines <= 20);  // three at once, then at most three in ten seconds
  CHECK(counted >= 5);
}

}  // namespace sluice::backends
