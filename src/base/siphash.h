// SipHash (Aumasson, Bernstein): a keyed hash for tables and stored keys, not a signature.
#pragma once
#include <cstdint>
#include <string_view>

namespace sluice {

struct SipKey {
  std::uint64_t k0 = 0;
  std::uint64_t k1 = 0;
};

std::uint64_t siphash13(const SipKey& key, std::string_view bytes);

// SipHash-2-4 with 128 bits, for keys that are kept where others may read them: without the key
// nobody finds out what was hashed. low holds the first eight bytes of the published output.
struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const Hash128&) const = default;
};
Hash128 siphash24_128(const SipKey& key, std::string_view bytes);

}  // namespace sluice
