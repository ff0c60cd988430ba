// rooms: mail
// Durations, sizes, date-times and enhanced status codes: what parses prints, and parses to the
// same again.
#include <algorithm>
#include <cstdint>
#include <string>

#include "base/text.h"
#include "mail/reply_code.h"
#include "require.h"

using namespace sluice;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  if (const auto duration = parse_duration(text)) {
    require(duration->count() >= 0, "no text says a negative duration");
    require(parse_duration(render_duration(*duration)) == duration, "a duration prints as itself");
  }
  if (const auto bytes_said = parse_size(text)) {
    require(*bytes_said >= 0 && *bytes_said <= 9'007'199'254'740'992,
            "a size is within its bounds");
    const auto shown = parse_size(render_size(*bytes_said));
    require(shown.has_value(), "a size prints as a size");
    // Two decimals of the unit that is shown: never further off than half of the last digit.
    const auto off =
        static_cast<double>(std::max(*shown, *bytes_said) - std::min(*shown, *bytes_said));
    require(off <= static_cast<double>(*bytes_said) * 0.0051 + 1,
            "a size that is shown is near the size");
  }
  if (const auto time = parse_datetime(text)) {
    const std::string shown = render_datetime(*time);
    // A zone may push the year out of the four digits that RFC 3339 has.
    if (shown.size() >= 20 && shown[4] == '-' && shown[0] != '-') {
      require(parse_datetime(shown) == time, "a date-time prints as itself");
    }
  }
  if (const auto status = mail::EnhancedStatus::parse(text)) {
    require(mail::EnhancedStatus::parse(status->to_string()) == status,
            "a status prints as itself");
  }
  return 0;
}
