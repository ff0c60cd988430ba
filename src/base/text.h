// Text as mail policy compares and prints it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace sluice {

// Simple case folding for comparisons and counter keys: ASCII quickly, other scripts of UTF-8 by simple folding;
// bytes that are no UTF-8 stay as they are. Idempotent.
std::string fold(std::string_view text);
bool equal_folded(std::string_view a, std::string_view b);
std::string_view trim(std::string_view text);            // blanks and tabs
std::vector<std::string_view> split(std::string_view text, char separator);

// "5m", "2m5s", "1h", "250ms": units d h m s ms, each once, from large to small; numbers without a unit are refused. At
// most 100 years.
std::optional<Duration> parse_duration(std::string_view text);
std::string render_duration(Duration d);                 // shortest exact form: "5m", "2m5s", "0s"
// "25MB", "1.5kB", "10B" (units B kB MB GB, 1024-based). At most 2^53 bytes.
std::optional<std::int64_t> parse_size(std::string_view text);
std::string render_size(std::int64_t bytes);             // "5.72MB": at most 2 decimals
std::string render_number(double value);                 // shortest, at most 2 decimals
// RFC 3339 date-time; seconds and zone may be left out ("2026-10-15T00:00Z"); no zone means UTC.
std::optional<TimePoint> parse_datetime(std::string_view text);
std::string render_datetime(TimePoint t);                // "2026-10-15T00:00:00Z"; ".250" only if there are milliseconds

// One value of a log line: quoted when needed; controls, bidi marks and bytes outside UTF-8 as \xNN; of longer
// values the first 256 bytes and "...". Never a line break; what is quoted has \" and \\ inside.
std::string log_value(std::string_view text);

// Keyed hash for tables whose keys come from mail (SipHash-1-3 with a key drawn at process start): nobody outside can
// make collisions.
std::uint64_t keyed_hash(std::string_view bytes);
struct KeyedHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view s) const { return static_cast<std::size_t>(keyed_hash(s)); }
};

}  // namespace sluice
