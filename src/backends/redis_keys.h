// RedisKeys: where Redis keeps what Sluice remembers: which key of Redis stands for a state key.
//
//   sl:{GG}KHHHHHHHHHHHHHHHHHHHH     GG: group (two hex digits, the Cluster's tag), K: kind, H: hash
//
// The hash is 128 bits of SipHash-2-4, keyed with the pepper: 8 bits choose the group, the other 120
// stand behind the kind. So a sender chooses neither the size of a key nor its slot, and whoever
// copies the data finds no address in it. All keys of one group live in one slot and share a clock.
//
// Threads: any; immutable.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/siphash.h"

namespace sluice::backends {

inline constexpr unsigned kRedisGroups = 256;
inline constexpr std::size_t kMinPepper = 32, kMaxPepper = 4096;  // bytes

// What a key holds; its letter in Redis.
enum class RedisKind : char {
  Limit = 'l',
  Holds = 'h',   // of a limit: what sessions hold, which ids are settled
  Values = 'v',  // of a limit: distinct values
  Greylist = 'g',
  AutoAllow = 'a',
  Seen = 's',
};

// The content of pepper_file. Error{Config}: it cannot be read, is too short or too long, or every
// user may read it.
Result<std::string> read_pepper(const std::string& path);

class RedisKeys {
 public:
  // An empty pepper: keys are hashed all the same, but anybody can compute them. Fewer groups than
  // kRedisGroups are for tests.
  explicit RedisKeys(std::string_view pepper, unsigned groups = kRedisGroups);

  struct Place {
    unsigned group = 0;
    std::string hash;  // 20 letters
  };
  Place place(std::string_view state_key) const;
  static std::string key(const Place& place, RedisKind kind);
  static std::string clock(unsigned group);
  static std::string pattern(RedisKind kind);  // for SCAN

  // What the dynamic lists and news share; their group is 0.
  enum class Shared : std::uint8_t { Entries, Ends, Changes, State };
  static std::string shared(Shared what);

  // Eight bytes that stand for a distinct value or an entry.
  std::string short_hash(std::string_view value) const;
  // Tells peppers apart without telling them.
  std::string fingerprint() const;
  unsigned groups() const { return groups_; }

 private:
  SipKey key_;
  unsigned groups_;
};

}  // namespace sluice::backends
