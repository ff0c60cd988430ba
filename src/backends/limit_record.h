// LimitRecord: all that the embedded store knows of one limit's key: what it has counted, a series
// for each period, and what sessions hold of it.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "backends/embedded_record.h"
#include "backends/limit_series.h"
#include "backends/state_store.h"

namespace sluice::backends {

inline constexpr std::size_t kMaxSeries = 64;  // of one key; a bit of LimitHold::series for each
inline constexpr std::size_t kNoSeries = ~std::size_t{0};

struct LimitHold {
  TimePoint lease;
  std::int64_t n = 0;
  std::uint64_t series = 0;  // a bit for each
  std::optional<std::string> value;
  StateAnswer answer;  // to be given again
};

using LimitHolds = std::unordered_map<ReservationId, LimitHold>;

struct LimitRecord : Record {
  std::string name;
  std::vector<LimitSeries> series;
  std::unique_ptr<LimitHolds> holds;
  TimePoint next_lease = TimePoint::max();  // no hold ends before
  TimePoint last_lease = TimePoint::min();  // no hold ends after
  std::int64_t extra = 0;
  TimePoint extra_until = TimePoint::min();
  std::size_t values = 0;  // known to its series, as counted last

  void store(std::vector<StoredRow>& rows, bool everything);
  static void erase_stored(const std::string& key, std::vector<StoredRow>& rows);
};

std::size_t find_series(const LimitRecord& record, SeriesKind kind, Duration period);

}  // namespace sluice::backends
