// Whether what an operation asks for fits into what is used and reserved, and when it would.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "backends/limit_record.h"

namespace sluice::backends {

// What a Reserve or Peek asks for; lives no longer than the operation.
struct Demand {
  std::int64_t n;
  const std::vector<Window>& windows;
  const std::optional<Bucket>& bucket;
  const std::optional<std::string>& distinct;

  template <class Op>
  explicit Demand(const Op& op)
      : n(limited_units(op.n)), windows(op.windows), bucket(op.bucket), distinct(op.distinct) {}

  std::size_t checks() const { return windows.size() + (bucket ? 1 : 0); }
  bool is_bucket(std::size_t check) const { return check == windows.size(); }
  SeriesKind kind(std::size_t check) const {
    if (is_bucket(check)) return SeriesKind::Bucket;
    return distinct ? SeriesKind::Values : SeriesKind::Units;
  }
  Duration period(std::size_t check) const {
    return limited_period(is_bucket(check) ? bucket->refill.period : windows[check].period);
  }
  // What used and reserved may be together so that n more fit; for a bucket in tokens.
  WideCount most(std::size_t check, std::int64_t extra) const {
    const auto count = is_bucket(check) ? bucket->capacity : windows[check].count;
    return WideCount{count} + extra - (kind(check) == SeriesKind::Values ? 1 : n);
  }
};

// The answer to it; null: nothing was counted yet. The record must be up to date.
StateAnswer decide(const LimitRecord* record, const Demand& demand, TimePoint now);

}  // namespace sluice::backends
