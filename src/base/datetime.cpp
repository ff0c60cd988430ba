// RFC 3339 date-times (declared in base/text.h).
#include <fmt/format.h>

#include <array>
#include <chrono>

#include "base/text.h"

namespace sluice {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::year_month_day;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes exactly `digits` digits off the front of `text`.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (!is_digit(text[i])) return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take_one_of(std::string_view& text, std::string_view choices) {
  if (text.empty() || choices.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<sys_days> take_date(std::string_view& text) {
  const auto year = take_number(text, 4);
  if (!year || !take_one_of(text, "-")) return std::nullopt;
  const auto month = take_number(text, 2);
  if (!month || !take_one_of(text, "-")) return std::nullopt;
  const auto day = take_number(text, 2);
  if (!day) return std::nullopt;
  const year_month_day date{std::chrono::year(*year),
                            std::chrono::month(static_cast<unsigned>(*month)),
                            std::chrono::day(static_cast<unsigned>(*day))};
  return date.ok() ? std::optional(sys_days(date)) : std::nullopt;
}

// ".25" after the seconds; digits beyond milliseconds are dropped.
std::optional<Duration> take_fraction(std::string_view& text) {
  if (!take_one_of(text, ".")) return Duration(0);
  if (text.empty() || !is_digit(text.front())) return std::nullopt;
  std::int64_t value = 0;
  std::int64_t weight = 100;
  for (; !text.empty() && is_digit(text.front()); text.remove_prefix(1), weight /= 10)
    value += (text.front() - '0') * weight;
  return Duration(value);
}

std::optional<Duration> take_hours_and_minutes(std::string_view& text) {
  const auto hour = take_number(text, 2);
  if (!hour || *hour > 23 || !take_one_of(text, ":")) return std::nullopt;
  const auto minute = take_number(text, 2);
  if (!minute || *minute > 59) return std::nullopt;
  return std::chrono::hours(*hour) + minutes(*minute);
}

std::optional<Duration> take_time(std::string_view& text) {
  const auto minute = take_hours_and_minutes(text);
  if (!minute || !take_one_of(text, ":")) return minute;
  const auto second = take_number(text, 2);
  if (!second || *second > 60) return std::nullopt;  // 60: a leap second, counted as the next one
  const auto fraction = take_fraction(text);
  if (!fraction) return std::nullopt;
  return *minute + seconds(*second) + *fraction;
}

// East of Greenwich.
std::optional<Duration> take_zone(std::string_view& text) {
  if (text.empty() || take_one_of(text, "Zz")) return Duration(0);
  const bool west = text.front() == '-';
  if (!take_one_of(text, "+-")) return std::nullopt;
  const auto offset = take_hours_and_minutes(text);
  return offset && west ? -*offset : offset;
}

}  // namespace

std::optional<TimePoint> parse_datetime(std::string_view text) {
  const auto date = take_date(text);
  if (!date || !take_one_of(text, "Tt")) return std::nullopt;
  const auto time = take_time(text);
  if (!time) return std::nullopt;
  const auto zone = take_zone(text);
  if (!zone || !text.empty()) return std::nullopt;
  return TimePoint(*date) + *time - *zone;
}

std::string render_datetime(TimePoint t) {
  const auto day = std::chrono::floor<std::chrono::days>(t);
  const year_month_day date{day};
  const std::int64_t ms = (t - day).count();
  const std::int64_t second = ms / 1000;
  std::string text =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  second / 3600, second / 60 % 60, second % 60);
  if (ms % 1000 != 0) text += fmt::format(".{:03}", ms % 1000);
  return text + 'Z';
}

}  // namespace sluice
