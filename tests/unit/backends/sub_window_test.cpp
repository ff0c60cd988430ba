#include "backends/sub_window.h"

#include <catch2/catch.hpp>
#include <random>

namespace sluice::backends {
namespace {

TimePoint at(std::int64_t milliseconds) { return TimePoint{Duration{milliseconds}}; }

TEST_CASE("sub-window: counts for the period at least and a sixtieth more at most") {
  std::mt19937_64 random(1);
  for (const std::int64_t period : {1LL, 7LL, 59LL, 60LL, 61LL, 1000LL, 60'000LL, 3'600'000LL,
                                    86'400'000LL, 3'155'760'000'000LL}) {
    for (int i = 0; i < 2000; ++i) {
      const auto time = static_cast<std::int64_t>(random() % 4'000'000'000'000) - 2'000'000'000'000;
      const auto expiry =
          sub_window_expiry(sub_window(at(time), Duration{period}), Duration{period});
      const auto counted = (expiry - at(time)).count();
      CAPTURE(period, time);
      CHECK(counted >= period);
      CHECK((counted - 1) * 60 < period * 61);
    }
  }
}

TEST_CASE("sub-window: what comes at its very end is forgotten after exactly the period") {
  const Duration minute{60'000};
  CHECK(sub_window_expiry(sub_window(at(0), minute), minute) == at(60'000));
  CHECK(sub_window_expiry(sub_window(at(1), minute), minute) == at(61'000));
  CHECK(sub_window_expiry(sub_window(at(1000), minute), minute) == at(61'000));
  CHECK(sub_window_expiry(sub_window(at(-999), minute), minute) == at(60'000));
}

TEST_CASE("sub-window: never goes back while time goes on") {
  const Duration period{100};
  for (std::int64_t t = -500; t < 500; ++t)
    CHECK(sub_window(at(t), period) <= sub_window(at(t + 1), period));
}

TEST_CASE("sub-window: periods that make no sense are taken as the nearest that does") {
  CHECK(sub_window(at(5), Duration{0}) == sub_window(at(5), Duration{1}));
  CHECK(sub_window(at(5), Duration{-9}) == sub_window(at(5), Duration{1}));
  CHECK(limited_period(Duration::max()) == kLongestPeriod);
}

TEST_CASE("bucket: refills continuously and never above full") {
  const Window refill{10, Duration{60'000}};
  const auto debt = bucket_debt(10, refill);
  CHECK(whole_tokens(debt, refill) == 10);
  CHECK(whole_tokens(refilled(debt, Duration{5'999}, 10), refill) == 10);
  CHECK(whole_tokens(refilled(debt, Duration{6'000}, 10), refill) == 9);
  CHECK(whole_tokens(refilled(debt, Duration{60'000}, 10), refill) == 0);
  CHECK(refilled(debt, Duration{600'000}, 10) == 0);
}

TEST_CASE("bucket: the largest numbers do not overflow") {
  const Window refill{kMaxUnits, kLongestPeriod};
  const auto debt = bucket_debt(kMaxUnits, refill);
  CHECK(debt > 0);
  CHECK(whole_tokens(debt, refill) == kMaxUnits);
  CHECK(whole_tokens(debt * 1'000'000, refill) == std::numeric_limits<std::int64_t>::max());
  CHECK(refilled(debt, kLongestPeriod, kMaxUnits) == 0);
}

}  // namespace
}  // namespace sluice::backends
