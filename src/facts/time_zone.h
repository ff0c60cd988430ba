// Local time in a zone of the tz database, daylight saving included.
#pragma once
#include <string>

#include "base/clock.h"

namespace sluice::facts {

struct LocalTime {
  int minute_of_day = 0;  // 0..1439
  int weekday = 0;        // 0 is Monday
};

// zone: "Europe/Berlin"; empty or unknown is UTC (the loader refuses unknown names).
// Any thread.
LocalTime local_time(const std::string& zone, TimePoint t);

}  // namespace sluice::facts
