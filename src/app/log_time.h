// LogTime: the date at the beginning of a log line.
//
//   2026-11-25T10:00:00.123456+01:00   RFC 3339, rsyslog's and Debian 12's default
//   Nov 25 10:00:00                    RFC 3164: local time (of this process: TZ=Europe/Berlin
//   sluice ...), no year
//
// The year of the short form is guessed: such that nothing in the log is younger than the file; and
// it is the next one when December turns to January. One thread at a time.
#pragma once
#include <optional>
#include <string_view>

#include "base/clock.h"

namespace sluice::app {

class LogTime {
 public:
  // `modified`: when the file was last written, in seconds since 1970.
  explicit LogTime(std::int64_t modified) : modified_(modified) {}

  // Takes the date and the blanks behind it off the line. nullopt: there is none, the line stays as
  // it is.
  std::optional<TimePoint> take(std::string_view& line);

 private:
  std::optional<TimePoint> take_short(std::string_view& line);
  std::optional<TimePoint> take_rfc3339(std::string_view& line);
  std::int64_t local(int year, int month, int day, int hour);

  std::int64_t modified_;
  int year_ = 0;  // of the line before; 0: there was none
  int month_ = 0;
  std::int64_t hour_key_ = -1, hour_start_ = 0;
};

}  // namespace sluice::app
