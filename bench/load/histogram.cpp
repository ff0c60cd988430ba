#include "load/histogram.h"

#include <algorithm>
#include <bit>

namespace sluice::load {

// Below 32 ns one bucket each; above, the highest bit chooses the group, the next five the bucket.
std::size_t Histogram::bucket_of(std::uint64_t ns) {
  if (ns < (1u << kSubBits)) return static_cast<std::size_t>(ns);
  const unsigned shift = static_cast<unsigned>(std::bit_width(ns)) - kSubBits - 1;
  return (static_cast<std::size_t>(shift) << kSubBits) + static_cast<std::size_t>(ns >> shift);
}

std::uint64_t Histogram::upper_edge_ns(std::size_t bucket) {
  if (bucket < (2u << kSubBits)) return bucket;
  const std::size_t shift = (bucket >> kSubBits) - 1;
  const std::uint64_t lower = (bucket & ((1u << kSubBits) - 1)) | (1u << kSubBits);
  return ((lower + 1) << shift) - 1;
}

void Histogram::record(std::chrono::nanoseconds duration) {
  const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0));
  ++counts_[std::min(bucket_of(ns), kBuckets - 1)];
  ++count_;
  max_ns_ = std::max(max_ns_, ns);
}

void Histogram::merge(const Histogram& other) {
  for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  max_ns_ = std::max(max_ns_, other.max_ns_);
}

double Histogram::quantile_us(double share) const {
  const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(count_));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (seen > wanted) return static_cast<double>(std::min(upper_edge_ns(i), max_ns_)) / 1000.0;
  }
  return max_us();
}

}  // namespace sluice::load
