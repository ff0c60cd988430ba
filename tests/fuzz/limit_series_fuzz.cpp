// rooms: backends
// What the state file says of a limit may be anything: it is taken as something that can be counted on
// with, printed to disk and read again as the same.
#include <cstdint>
#include <string>

#include "backends/limit_series.h"
#include "require.h"

using namespace sluice;
using namespace sluice::backends;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size < 3) return 0;
  const auto kind = static_cast<SeriesKind>(bytes[0] % 3);
  const Duration period{1 + (std::int64_t{bytes[1]} << bytes[2] % 24)};
  const std::string stored(reinterpret_cast<const char*>(bytes + 3), size - 3);
  LimitSeries series(kind, period);
  series.load(stored);
  LimitSeries again(kind, period);
  again.load(series.stored());
  require(again.stored() == series.stored(), "what is written is read as the same");
  require(series.ends().size() <= static_cast<std::size_t>(kSubWindows) + 1, "a series is bounded");

  const TimePoint now{Duration{1'795'564'800'000}};
  const Window refill{10, period};
  series.refresh(now);
  require(series.used() >= 0, "use is not negative");
  const auto before = series.used();
  if (kind == SeriesKind::Units) series.add_units(5, now);
  if (kind == SeriesKind::Values) series.add_value("value", true, now);
  if (kind == SeriesKind::Bucket) {
    series.add_tokens(5, refill, now);
    require(whole_tokens(series.debt(10, now), refill) >= 5, "a token taken is missing");
  } else {
    require(series.used() >= before, "what is added is not lost");
  }
  require(series.last_end() > now, "what was just used counts");
  return 0;
}
