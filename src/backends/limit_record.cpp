#include "backends/limit_record.h"

#include <algorithm>

namespace sluice::backends {

std::size_t find_series(const LimitRecord& record, SeriesKind kind, Duration period) {
  for (std::size_t i = 0; i < record.series.size(); ++i) {
    if (record.series[i].kind() == kind && record.series[i].period() == period) return i;
  }
  return kNoSeries;
}

void LimitRecord::store(std::vector<StoredRow>& rows, bool everything) {
  for (auto& one : series) {
    if (!one.has_use()) continue;
    const auto period_ms = one.period().count();
    auto end = one.last_end();
    if (extra > 0) end = std::max(end, extra_until);
    const bool is_bucket = one.kind() == SeriesKind::Bucket;
    const auto used = is_bucket ? 0 : one.used();
    rows.push_back(
        {StoredRow::Change::Insert,
         Table::Limits,
         {Blob{*key}, static_cast<std::int64_t>(one.kind()), period_ms, name, used,
          Blob{one.stored()}, extra, extra > 0 ? extra_until.time_since_epoch().count() : 0,
          end.time_since_epoch().count()}});
    for (auto& [value, index] : one.take_changed_values(everything))
      rows.push_back({StoredRow::Change::Insert,
                      Table::LimitValues,
                      {Blob{*key}, period_ms, std::move(value), index,
                       sub_window_expiry(index, one.period()).time_since_epoch().count()}});
  }
}

void LimitRecord::erase_stored(const std::string& key, std::vector<StoredRow>& rows) {
  rows.push_back({StoredRow::Change::Erase, Table::Limits, {Blob{key}}});
  rows.push_back({StoredRow::Change::Erase, Table::LimitValues, {Blob{key}}});
}

}  // namespace sluice::backends
