#include "backends/steady_time.h"

#include <catch2/catch.hpp>
#include <random>

namespace sluice::backends {
namespace {

TimePoint at(std::int64_t milliseconds) { return TimePoint{Duration{milliseconds}}; }
constexpr std::int64_t kHour = 3'600'000;

TEST_CASE("steady time: is the clock's while the clock goes forward") {
  SteadyTime time;
  CHECK(time.advance(at(5)) == at(5));
  CHECK(time.advance(at(9)) == at(9));
  CHECK(time.on_clock(at(7)) == at(7));
}

TEST_CASE("steady time: goes on at once when the clock is set back") {
  SteadyTime time;
  time.advance(at(kHour));
  CHECK(time.advance(at(0)) == at(kHour));
  CHECK(time.advance(at(10)) == at(kHour + 10));
  CHECK(time.on_clock(at(kHour)) == at(0));
}

TEST_CASE(
    "steady time: passes exactly as much as the clock goes forward, whatever steps back lie "
    "between") {
  std::mt19937_64 random(7);
  SteadyTime time;
  auto wall = at(1'800'000'000'000);
  const auto start = time.advance(wall);
  Duration forward{0};
  for (int i = 0; i < 10'000; ++i) {
    const auto step = Duration{static_cast<std::int64_t>(random() % 7'200'001) - kHour};
    wall += step;
    forward += std::max(step, Duration{0});
    REQUIRE(time.advance(wall) == start + forward);
    REQUIRE(time.on_clock(time.last()) == wall);
  }
}

TEST_CASE("steady time: continues behind what was stored before a restart") {
  SteadyTime time(at(1000));
  CHECK(time.advance(at(400)) == at(1000));
  CHECK(time.advance(at(500)) == at(1100));
  CHECK(SteadyTime(at(1000)).advance(at(2000)) == at(2000));
}

TEST_CASE("steady time: a machine that starts in 1970 and learns the date loses nothing") {
  const auto stored = at(1'795'000'000'000);
  SteadyTime time(stored);
  CHECK(time.advance(at(0)) == stored);
  CHECK(time.advance(at(60'000)) == stored + Duration{60'000});
  const auto corrected = time.advance(at(1'795'000'100'000));
  CHECK(corrected >= stored);
  CHECK(corrected - stored <= Duration{160'000});
}

TEST_CASE("steady time: may begin before 1970") {
  SteadyTime time;
  CHECK(time.advance(at(-5)) == at(-5));
  CHECK(time.advance(at(-10)) == at(-5));
}

}  // namespace
}  // namespace sluice::backends
