#include "base/siphash.h"

#include <sys/random.h>

#include <bit>
#include <cstdlib>
#include <cstring>

#include "base/text.h"

namespace sluice {
namespace {

static_assert(std::endian::native == std::endian::little, "words are read as they lie in memory");

struct SipState {
  std::uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void rounds(int count) {
    for (int i = 0; i < count; ++i) round();
  }
  void absorb(std::uint64_t word, int count) {
    v3 ^= word;
    rounds(count);
    v0 ^= word;
  }
  // All of the bytes; the last word holds their number too.
  void absorb_all(std::string_view bytes, int count) {
    const std::size_t whole = bytes.size() / 8 * 8;
    for (std::size_t at = 0; at < whole; at += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at, 8);
      absorb(word, count);
    }
    std::uint64_t last = static_cast<std::uint64_t>(bytes.size()) << 56;
    for (std::size_t i = whole; i < bytes.size(); ++i) {
      last |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(bytes[i])) << (8 * (i - whole));
    }
    absorb(last, count);
  }
  std::uint64_t folded() const { return v0 ^ v1 ^ v2 ^ v3; }
};

SipState start(const SipKey& key) {
  return {key.k0 ^ 0x736f6d6570736575, key.k1 ^ 0x646f72616e646f6d, key.k0 ^ 0x6c7967656e657261,
          key.k1 ^ 0x7465646279746573};
}

SipKey draw_key() {
  SipKey key;
  if (getrandom(&key, sizeof key, 0) != static_cast<ssize_t>(sizeof key)) std::abort();
  return key;
}

}  // namespace

std::uint64_t siphash13(const SipKey& key, std::string_view bytes) {
  SipState state = start(key);
  state.absorb_all(bytes, 1);
  state.v2 ^= 0xFF;
  state.rounds(3);
  return state.folded();
}

Hash128 siphash24_128(const SipKey& key, std::string_view bytes) {
  SipState state = start(key);
  state.v1 ^= 0xEE;
  state.absorb_all(bytes, 2);
  state.v2 ^= 0xEE;
  state.rounds(4);
  const std::uint64_t low = state.folded();
  state.v1 ^= 0xDD;
  state.rounds(4);
  return {low, state.folded()};
}

std::uint64_t keyed_hash(std::string_view bytes) {
  static const SipKey key = draw_key();
  return siphash13(key, bytes);
}

}  // namespace sluice
