#include "backends/sub_window.h"

#include <algorithm>
#include <limits>

namespace sluice::backends {

namespace {

template <class T>
T ceil_divide(T a, T b) {
  const T quotient = a / b;
  return a % b > 0 ? quotient + 1 : quotient;
}

std::int64_t milliseconds(TimePoint t) { return t.time_since_epoch().count(); }

}  // namespace

Duration limited_period(Duration period) { return std::clamp(period, Duration{1}, kLongestPeriod); }

std::int64_t limited_units(std::int64_t n) { return std::clamp<std::int64_t>(n, 0, kMaxUnits); }

std::int64_t sub_window(TimePoint at, Duration period) {
  const auto length = limited_period(period).count();
  std::int64_t sixtieths = 0;  // the usual case, without wide numbers
  if (!__builtin_mul_overflow(milliseconds(at), std::int64_t{kSubWindows}, &sixtieths))
    return ceil_divide(sixtieths, length);
  return static_cast<std::int64_t>(
      ceil_divide(WideCount{milliseconds(at)} * kSubWindows, WideCount{length}));
}

TimePoint sub_window_expiry(std::int64_t index, Duration period) {
  const auto length = limited_period(period).count();
  std::int64_t sixtieths = 0;
  const bool is_wide = __builtin_add_overflow(index, std::int64_t{kSubWindows}, &sixtieths) ||
                       __builtin_mul_overflow(sixtieths, length, &sixtieths);
  if (!is_wide) return TimePoint{Duration{ceil_divide(sixtieths, std::int64_t{kSubWindows})}};
  const auto at = ceil_divide((WideCount{index} + kSubWindows) * length, WideCount{kSubWindows});
  constexpr WideCount kEnd = std::int64_t{1} << 62;  // of time: sums with it do not overflow
  return TimePoint{Duration{static_cast<std::int64_t>(std::clamp(at, -kEnd, kEnd))}};
}

WideCount bucket_debt(std::int64_t tokens, const Window& refill) {
  return WideCount{tokens} * limited_period(refill.period).count();
}

WideCount refilled(WideCount debt, Duration elapsed, std::int64_t refill_count) {
  const WideCount refill = WideCount{elapsed.count()} * limited_units(refill_count);
  return std::max<WideCount>(0, debt - refill);
}

std::int64_t whole_tokens(WideCount debt, const Window& refill) {
  constexpr WideCount kMost = std::numeric_limits<std::int64_t>::max();
  const auto tokens = ceil_divide(debt, WideCount{limited_period(refill.period).count()});
  return static_cast<std::int64_t>(std::min(tokens, kMost));
}

}  // namespace sluice::backends
