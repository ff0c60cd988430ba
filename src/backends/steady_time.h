// SteadyTime: the time of a store, which never goes back, made from a clock that may be set.
//
// A step back is ignored: time goes on from where it was, at the pace of the clock. While it is
// ahead for that reason, a step forward of more than a day (a machine that started with a wrong
// clock) is taken as the correction and makes up for it. One thread at a time.
#pragma once
#include <algorithm>
#include <optional>

#include "base/clock.h"

namespace sluice::backends {

class SteadyTime {
 public:
  SteadyTime() = default;
  // Continues after a restart: never earlier than `last`.
  explicit SteadyTime(TimePoint last) : last_(last) {}

  // The time now, when the clock shows `wall`.
  TimePoint advance(TimePoint wall) {
    if (wall_) {
      follow(wall - *wall_);
    } else if (last_) {
      ahead_ = std::max(Duration{0}, *last_ - wall);
    }
    wall_ = wall;
    last_ = std::max(last_.value_or(wall), wall + ahead_);
    return *last_;
  }
  // Of the last advance.
  TimePoint last() const { return last_.value_or(TimePoint{}); }
  // What the clock shows now for a time of the store.
  TimePoint on_clock(TimePoint t) const { return t - ahead_; }

 private:
  static constexpr Duration kBelievable = std::chrono::hours(24);

  void follow(Duration step) {
    if (step < Duration{0}) ahead_ -= step;
    if (step > kBelievable) ahead_ -= std::min(ahead_, step);
  }

  std::optional<TimePoint> last_;
  std::optional<TimePoint> wall_;
  Duration ahead_{0};
};

}  // namespace sluice::backends
