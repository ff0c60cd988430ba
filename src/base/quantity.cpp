// Durations, sizes and numbers as policies write them and replies print them (declared in
// base/text.h).
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/text.h"

namespace sluice {
namespace {

struct TimeUnit {
  std::string_view name;
  std::int64_t milliseconds;
};
constexpr std::array<TimeUnit, 5> kTimeUnits{
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
constexpr std::int64_t kMaxDuration = 36'525LL * 86'400'000;  // 100 years

struct SizeUnit {
  std::string_view name;
  double bytes;
};
constexpr std::array<SizeUnit, 4> kSizeUnits{
    {{"GB", 0x1p30}, {"MB", 0x1p20}, {"kB", 0x1p10}, {"B", 1}}};
constexpr double kMaxSize = 0x1p53;  // beyond it a double no longer counts single bytes

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view take_while(std::string_view& text, bool (*accepts)(char)) {
  const auto end = std::find_if_not(text.begin(), text.end(), accepts);
  const std::string_view taken = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(taken.size());
  return taken;
}

bool is_unit_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

template <class Unit, std::size_t N>
std::size_t unit_index(const std::array<Unit, N>& units, std::string_view name) {
  const auto unit =
      std::find_if(units.begin(), units.end(), [name](const Unit& u) { return u.name == name; });
  return static_cast<std::size_t>(unit - units.begin());
}

// "25", "1.5": no sign, no exponent, digits on both sides of the point.
std::optional<double> parse_decimal(std::string_view text) {
  std::string_view rest = text;
  if (take_while(rest, is_digit).empty()) return std::nullopt;
  if (!rest.empty()) {
    if (rest.front() != '.') return std::nullopt;
    rest.remove_prefix(1);
    if (take_while(rest, is_digit).empty() || !rest.empty()) return std::nullopt;
  }
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(value)
                                                                  : std::nullopt;
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::int64_t total = 0;
  std::size_t next_unit = 0;  // "5s2m" and "5m5m" are typing errors: units only get smaller
  while (!text.empty()) {
    const std::string_view digits = take_while(text, is_digit);
    const std::size_t unit = unit_index(kTimeUnits, take_while(text, is_unit_letter));
    std::int64_t count = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), count).ec != std::errc{})
      return std::nullopt;
    if (unit == kTimeUnits.size() || unit < next_unit) return std::nullopt;
    next_unit = unit + 1;
    if (count > (kMaxDuration - total) / kTimeUnits[unit].milliseconds) return std::nullopt;
    total += count * kTimeUnits[unit].milliseconds;
  }
  return Duration(total);
}

std::string render_duration(Duration d) {
  const bool negative = d.count() < 0;
  // Negating the smallest number would overflow; as unsigned it does not.
  std::uint64_t rest =
      negative ? 0 - static_cast<std::uint64_t>(d.count()) : static_cast<std::uint64_t>(d.count());
  std::string text;
  for (const TimeUnit& unit : kTimeUnits) {
    const std::uint64_t count = rest / static_cast<std::uint64_t>(unit.milliseconds);
    rest %= static_cast<std::uint64_t>(unit.milliseconds);
    if (count > 0) text += fmt::format("{}{}", count, unit.name);
  }
  if (text.empty()) return "0s";
  return negative ? '-' + text : text;
}

std::optional<std::int64_t> parse_size(std::string_view text) {
  const std::size_t digits = text.find_last_of("0123456789.");
  if (digits == std::string_view::npos) return std::nullopt;
  const auto number = parse_decimal(text.substr(0, digits + 1));
  const std::size_t unit = unit_index(kSizeUnits, text.substr(digits + 1));
  if (!number || unit == kSizeUnits.size()) return std::nullopt;
  const double bytes = std::round(*number * kSizeUnits[unit].bytes);
  if (bytes > kMaxSize) return std::nullopt;
  return static_cast<std::int64_t>(bytes);
}

std::string render_size(std::int64_t bytes) {
  const double size = static_cast<double>(bytes);
  for (const SizeUnit& unit : kSizeUnits) {
    // What would be rounded up to "1024kB" belongs to the next unit.
    if (std::abs(size) >= unit.bytes - unit.bytes / 1024 * 0.005)
      return render_number(size / unit.bytes).append(unit.name);
  }
  return "0B";
}

std::string render_number(double value) {
  if (!std::isfinite(value)) return fmt::format("{}", value);
  std::string text = fmt::format("{:.2f}", value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

}  // namespace sluice
