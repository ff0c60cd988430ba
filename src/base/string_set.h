// StringSet: many strings with a number each, compact: all octets in one block, and eight octets of
// table for three quarters of an entry. A million addresses of 23 octets take 34 MB and are built
// in some 0.3 s. Built once, then immutable.
// Compares octets: fold before, on both sides, where case does not count. Hashed with keyed_hash:
// nobody who sends mail can make look-ups slow.
// Threads: any number may ask at once.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

class StringSet {
 public:
  struct Entry {
    std::string_view text;
    std::uint32_t value = 0;  // what find() gives; a row number, as a rule
  };

  StringSet() = default;  // empty
  // In any order; duplicates count once. The texts are copied.
  explicit StringSet(std::span<const std::string_view> texts);
  // Of equal texts the last one's value counts. Takes four octets more for each slot.
  explicit StringSet(std::span<const Entry> entries);

  bool contains(std::string_view text) const;
  // The entry's value; 0 in a set that was made without values.
  std::optional<std::uint32_t> find(std::string_view text) const;

  std::size_t size() const { return entries_; }  // different texts
  bool empty() const { return entries_ == 0; }
  std::size_t memory_bytes() const;

 private:
  using Slot = std::uint64_t;  // 40 bits: place in the block + 1; 24 bits of the hash. 0: free

  void reserve(std::size_t count, std::size_t octets);
  std::size_t slot_of(std::uint64_t hash, std::string_view text) const;
  bool holds(Slot slot, std::uint64_t hash, std::string_view text) const;
  std::size_t insert(std::string_view text);

  std::string block_;  // length (7 bits an octet, the last without its high bit), then the text;
                       // and the next
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> values_;  // by slot, or empty
  std::size_t entries_ = 0;
};

}  // namespace sluice
