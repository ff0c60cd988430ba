// histogram.h - durations counted in buckets of at most 3 % width, from 1 us to an hour.
//
// Recording is a few instructions and never allocates. Not thread-safe: one per thread, merged at
// the end.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace sluice::load {

class Histogram {
 public:
  void record(std::chrono::nanoseconds duration);
  void merge(const Histogram& other);

  std::uint64_t count() const { return count_; }
  // The duration that `share` (0..1) of all stayed below, in microseconds; 0 without any.
  double quantile_us(double share) const;
  double max_us() const { return static_cast<double>(max_ns_) / 1000.0; }

 private:
  static constexpr unsigned kSubBits = 5;  // 32 buckets for each power of two
  static constexpr std::size_t kBuckets = (64 - kSubBits) << kSubBits;
  static std::size_t bucket_of(std::uint64_t ns);
  static std::uint64_t upper_edge_ns(std::size_t bucket);

  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_ns_ = 0;
};

}  // namespace sluice::load
