// The arithmetic of windows and buckets that every store shares, in whole numbers: no rounding may
// let one more through.
//
// Sub-window i of a window of length T ends at i*T/60 (as a rational number) and takes what comes
// after the end of sub-window i-1 up to and with its own end. What it counts is counted as if it
// had come at its end: until that end + T. So nothing is forgotten before T, and nothing later than
// T + T/60.
//
// Periods are taken as 1 ms at least and kLongestPeriod at most.
#pragma once
#include <cstdint>

#include "backends/state_store.h"

namespace sluice::backends {

inline constexpr Duration kLongestPeriod = std::chrono::hours(24 * 36525);  // 100 years
inline constexpr Duration kLongestWait = 2 * kLongestPeriod;  // waits beyond it are for ever

__extension__ typedef __int128 WideCount;  // sums and products of units and milliseconds

Duration limited_period(Duration period);
std::int64_t limited_units(std::int64_t n);

// The sub-window that counts what comes at `at`.
std::int64_t sub_window(TimePoint at, Duration period);
// The first millisecond at which the sub-window does not count any more.
TimePoint sub_window_expiry(std::int64_t index, Duration period);

// What is missing in a bucket, in units of 1/period: n tokens are n * period of it, each
// millisecond refills refill.count of it.
WideCount bucket_debt(std::int64_t tokens, const Window& refill);
WideCount refilled(WideCount debt, Duration elapsed, std::int64_t refill_count);
std::int64_t whole_tokens(WideCount debt, const Window& refill);  // rounded up

}  // namespace sluice::backends
