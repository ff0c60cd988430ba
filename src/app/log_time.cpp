#include "app/log_time.h"

#include <array>
#include <cstring>
#include <ctime>

#include "base/text.h"

namespace sluice::app {
namespace {

constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::int64_t kDay = 86'400;
constexpr int kHalfYear = 6;            // months
constexpr std::size_t kShortDate = 15;  // "Nov 25 10:00:00"
constexpr std::size_t kToMinute = 15;   // "2026-11-25T10:0"
constexpr std::size_t kLongestDate = 40;

int digits(std::string_view text) {
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

void skip_blanks(std::string_view& line) {
  while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
}

}  // namespace

// Seconds since 1970 of the full hour in local time. mktime is slow: the last hour is kept.
std::int64_t LogTime::local(int year, int month, int day, int hour) {
  const std::int64_t key = ((std::int64_t{year} * 16 + month) * 32 + day) * 32 + hour;
  if (key == hour_key_) return hour_start_;
  std::tm time{};
  time.tm_year = year - 1900;
  time.tm_mon = month - 1;
  time.tm_mday = day;
  time.tm_hour = hour;
  time.tm_isdst = -1;
  hour_key_ = key;
  return hour_start_ = std::mktime(&time);
}

std::optional<TimePoint> LogTime::take_short(std::string_view& line) {
  if (line.size() < kShortDate) return std::nullopt;
  int month = 0;
  for (std::size_t i = 0; i < kMonths.size(); ++i)
    if (line.substr(0, 3) == kMonths[i]) month = static_cast<int>(i) + 1;
  const int day = digits(line[4] == ' ' ? line.substr(5, 1) : line.substr(4, 2));
  const int hour = digits(line.substr(7, 2)), minute = digits(line.substr(10, 2)),
            second = digits(line.substr(13, 2));
  if (month == 0 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 60)
    return std::nullopt;
  if (line[3] != ' ' || line[6] != ' ' || line[9] != ':' || line[12] != ':') return std::nullopt;
  if (year_ == 0) {
    const std::time_t modified = modified_;
    std::tm then{};
    ::localtime_r(&modified, &then);
    year_ = then.tm_year + 1900;
    if (local(year_, month, day, hour) > modified_ + kDay) --year_;
  } else if (month < month_ - kHalfYear) {
    ++year_;
  } else if (month > month_ + kHalfYear) {
    --year_;  // written late, after the new year's first lines
  }
  month_ = month;
  const std::int64_t seconds = local(year_, month, day, hour) + minute * 60 + second;
  line.remove_prefix(kShortDate);
  skip_blanks(line);
  return TimePoint(std::chrono::seconds(seconds));
}

std::optional<TimePoint> LogTime::take_rfc3339(std::string_view& line) {
  const std::size_t end = line.substr(0, kLongestDate).find(' ');
  if (end == std::string_view::npos || end <= kToMinute) return std::nullopt;
  const auto time = parse_datetime(line.substr(0, end));
  if (!time) return std::nullopt;
  line.remove_prefix(end);
  skip_blanks(line);
  return time;
}

std::optional<TimePoint> LogTime::take(std::string_view& line) {
  if (line.empty()) return std::nullopt;
  return line.front() >= '0' && line.front() <= '9' ? take_rfc3339(line) : take_short(line);
}

}  // namespace sluice::app
