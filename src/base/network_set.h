// NetworkSet: networks with a number each, asked for the longest one that contains an address.
// 100,000 networks are built in some 30 ms, asked in some 150 ns, and take at most 42 octets each.
// Built once, then immutable. An IPv6 network contains no IPv4 address (see Network::contains).
// Threads: any number may ask at once.
#pragma once
#include <compare>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/ip_address.h"

namespace sluice {

class NetworkSet {
 public:
  struct Entry {
    Network network;
    std::uint32_t value = 0;  // what find() gives; a row number, as a rule
  };

  NetworkSet() = default;  // empty
  // In any order; of equal networks the last one counts.
  explicit NetworkSet(std::vector<Entry> entries);

  // The value of the longest network that contains `address`.
  std::optional<std::uint32_t> find(const IpAddress& address) const;
  bool contains(const IpAddress& address) const { return find(address).has_value(); }

  std::size_t size() const { return entries_; }  // different networks
  bool empty() const { return entries_ == 0; }
  std::size_t memory_bytes() const;

 private:
  // An address as two numbers: compared in two steps instead of sixteen.
  struct Position {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    auto operator<=>(const Position&) const = default;
  };
  enum class Owner : std::uint8_t { Nobody, V4, V6 };
  struct Builder;

  static Position position_of(const IpAddress& address);

  // Segment i begins at starts_[i], ends before starts_[i + 1], and is owned by one network or
  // nobody.
  std::vector<Position> starts_;
  std::vector<std::uint32_t> values_;
  std::vector<Owner> owners_;
  std::size_t entries_ = 0;
};

}  // namespace sluice
