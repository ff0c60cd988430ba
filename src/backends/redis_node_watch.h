// RedisNodeWatch: what the log says of each server: that it takes calls, that it takes none any more
// and why (each reason once), that it does again and after how long.
//
// Three lines in a row are told at once; who comes and goes all the time gets three every
// kRedisSayAgain, with how often it changed meanwhile. Threads: one at a time.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "backends/redis_client.h"
#include "base/clock.h"

namespace sluice::backends {

inline constexpr Duration kRedisSayAgain{10'000};
inline constexpr std::size_t kMaxRedisReasons = 4;  // told of one absence

class RedisNodeWatch {
 public:
  // To be called whenever something may have changed, and about once a second. Servers that are not
  // among `nodes` any more are forgotten. One that has not answered yet and has not failed is not
  // spoken of.
  std::vector<std::string> look(const std::vector<RedisNodeHealth>& nodes, TimePoint now);

 private:
  struct Known {
    bool is_up = false, told_up = false;
    std::optional<TimePoint> told_at, away_since;
    std::vector<std::string> reasons;  // told of this absence
    unsigned lines = 0;                // in a row
    std::uint64_t changes = 0;  // since it was told
  };
  static std::optional<std::string> tell(Known& known, const RedisNodeHealth& node, TimePoint now);

  std::map<std::string, Known> known_;  // by address
};

}  // namespace sluice::backends
