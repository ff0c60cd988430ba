#include "base/network_set.h"

#include <algorithm>

namespace sluice {

NetworkSet::Position NetworkSet::position_of(const IpAddress& address) {
  Position position;
  for (std::size_t i = 0; i < 8; ++i) {
    position.high = position.high << 8 | address.bytes()[i];
    position.low = position.low << 8 | address.bytes()[i + 8];
  }
  return position;
}

// Goes over the networks from left to right. Two networks are disjoint or nested, so a stack of
// those that are open knows the owner of every address: its top.
struct NetworkSet::Builder {
  struct Open {
    Position last;
    std::uint32_t value;
    Owner owner;
  };

  NetworkSet& set;
  std::vector<Open> open{};

  static Position last_of(Position first, int length) {
    if (length < 64) return {first.high | ~std::uint64_t{0} >> length, ~std::uint64_t{0}};
    return {first.high, first.low | (length == 128 ? 0 : ~std::uint64_t{0} >> (length - 64))};
  }

  void begin_segment(Position start, std::uint32_t value, Owner owner) {
    // A network that begins where another one begins or ends takes the place of an empty segment.
    if (!set.starts_.empty() && set.starts_.back() == start) {
      set.values_.back() = value;
      set.owners_.back() = owner;
      return;
    }
    set.starts_.push_back(start);
    set.values_.push_back(value);
    set.owners_.push_back(owner);
  }

  void close_last() {
    const Position end = open.back().last;
    open.pop_back();
    const Position next{end.low == ~std::uint64_t{0} ? end.high + 1 : end.high, end.low + 1};
    if (next == Position{}) return;  // the very end of all addresses
    if (open.empty()) return begin_segment(next, 0, Owner::Nobody);
    // What encloses both ends with the same address goes on by itself.
    if (open.back().last >= next) begin_segment(next, open.back().value, open.back().owner);
  }

  void add(const Entry& entry) {
    const Position first = position_of(entry.network.address());
    while (!open.empty() && open.back().last < first) close_last();
    const Owner owner = entry.network.is_v4() ? Owner::V4 : Owner::V6;
    open.push_back({last_of(first, entry.network.mapped_length()), entry.value, owner});
    begin_segment(first, entry.value, owner);
  }
};

NetworkSet::NetworkSet(std::vector<Entry> entries) {
  // Shorter networks first: they are open when those inside of them begin. Equal ones stay in
  // order.
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.network < b.network; });
  Builder builder{*this};
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i + 1 < entries.size() && entries[i].network == entries[i + 1].network) continue;
    builder.add(entries[i]);
    ++entries_;
  }
  while (!builder.open.empty()) builder.close_last();
  starts_.shrink_to_fit();
  values_.shrink_to_fit();
  owners_.shrink_to_fit();
}

std::optional<std::uint32_t> NetworkSet::find(const IpAddress& address) const {
  const auto after = std::upper_bound(starts_.begin(), starts_.end(), position_of(address));
  if (after == starts_.begin()) return std::nullopt;
  const auto segment = static_cast<std::size_t>(after - starts_.begin()) - 1;
  // The mapped block lies within ::/0, but is not of its family.
  if (owners_[segment] != (address.is_v4() ? Owner::V4 : Owner::V6)) return std::nullopt;
  return values_[segment];
}

std::size_t NetworkSet::memory_bytes() const {
  return starts_.capacity() * sizeof(Position) + values_.capacity() * sizeof(std::uint32_t) +
         owners_.capacity() * sizeof(Owner);
}

}  // namespace sluice
