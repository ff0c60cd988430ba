// SipHash-1-3 (Aumasson, Bernstein): a keyed hash for tables, not a signature.
#pragma once
#include <cstdint>
#include <string_view>

namespace sluice {

struct SipKey {
  std::uint64_t k0 = 0;
  std::uint64_t k1 = 0;
};

std::uint64_t siphash13(const SipKey& key, std::string_view bytes);

}  // namespace sluice
