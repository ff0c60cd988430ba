// SettledIds: which reservations were settled within the last kSettledMemory. One table without
// nodes: a store that settles 100,000 reservations a second asks it for each of them.
// One thread at a time; times never go back.
#pragma once
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace sluice::backends {

class SettledIds {
 public:
  // most: kept at once; beyond it the oldest is forgotten early.
  explicit SettledIds(std::size_t most) : most_(most) {}

  bool contains(std::uint64_t id, TimePoint now);
  bool insert(std::uint64_t id, TimePoint now);  // false: it was there already
  std::size_t size() const { return in_order_.size(); }

 private:
  void forget_old(TimePoint now);
  void grow();
  std::size_t home(std::uint64_t id) const { return (id ^ id >> 32) & (slots_.size() - 1); }
  std::size_t find(std::uint64_t id) const;  // its slot, or the free one where it belongs
  void erase(std::uint64_t id);

  const std::size_t most_;
  // Linear probing; 0 is free. Ids are mixed by who asks. At most half full.
  std::vector<std::uint64_t> slots_ = std::vector<std::uint64_t>(64);
  std::deque<std::pair<TimePoint, std::uint64_t>> in_order_;
};

}  // namespace sluice::backends
