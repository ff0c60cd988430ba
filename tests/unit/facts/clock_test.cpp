#include <catch2/catch.hpp>

#include "base/text.h"
#include "fact_fixture.h"
#include "facts/time_zone.h"

namespace sluice::facts {
using policy::ClockTime;
using policy::Value;

namespace {
Value local_at(const char* zone, const char* time, const char* fact = "time.local") {
  FactFixture f;
  f.timezone_ = zone;
  f.now_ = *parse_datetime(time);
  return *f.ask(fact);
}
ClockTime clock_time(int hour, int minute) { return {hour * 60 + minute}; }
}  // namespace

TEST_CASE("time.local: the zone's own time, daylight saving included") {
  CHECK(local_at("America/New_York", "2026-03-04T16:00:00Z") == Value(clock_time(11, 0)));
  CHECK(local_at("America/New_York", "2026-07-04T16:00:00Z") == Value(clock_time(12, 0)));
  CHECK(local_at("Europe/Berlin", "2026-03-29T00:59:00Z") == Value(clock_time(1, 59)));
  CHECK(local_at("Europe/Berlin", "2026-03-29T01:00:00Z") == Value(clock_time(3, 0)));
  CHECK(local_at("Asia/Kolkata", "2026-01-01T00:00:00Z") == Value(clock_time(5, 30)));
  CHECK(local_at("", "2026-01-01T23:59:59Z") == Value(clock_time(23, 59)));
}

TEST_CASE("time.local: beyond the last listed change the calendar's cycle goes on") {
  CHECK(local_at("Europe/Berlin", "2060-07-01T12:00:00Z") == Value(clock_time(14, 0)));
  CHECK(local_at("Europe/Berlin", "2060-01-01T12:00:00Z") == Value(clock_time(13, 0)));
}

TEST_CASE("time.weekday: of the local day, before 1970 too") {
  CHECK(local_at("Europe/Berlin", "2026-11-25T12:00:00Z", "time.weekday") == Value("wed"));
  CHECK(local_at("Asia/Tokyo", "2026-11-25T20:00:00Z", "time.weekday") == Value("thu"));
  CHECK(local_at("", "1969-12-31T00:00:00Z", "time.weekday") == Value("wed"));
}

TEST_CASE("time zone: only names of the database, no paths; anything else is UTC") {
  const auto hour = [](const char* zone) {
    return local_at(zone, "2026-11-25T12:00:00Z", "time.local");
  };
  CHECK_FALSE(hour("Europe/Berlin") == hour(""));
  for (const char* none : {"Europe/Atlantis", "../../../etc/passwd", "/etc/localtime", "zone.tab",
                           "../zoneinfo/Europe/Berlin"})
    CHECK(hour(none) == hour(""));
}

}  // namespace sluice::facts
