// The answer to CLUSTER SLOTS: which master serves which slots.
#pragma once
#include <vector>

#include "backends/redis_client.h"
#include "backends/stream.h"
#include "base/result.h"

namespace sluice::backends {

inline constexpr std::size_t kMaxRedisMasters = 256;  // of one Cluster

struct RedisSlotRange {
  int first = 0, last = 0;  // both of it, 0 … 16383
  Endpoint master;
};

// Ranges whose master has no address are left out. Error{Permanent}: no such answer, slots out of
// range or twice, too many masters.
Result<std::vector<RedisSlotRange>> parse_redis_slots(const RedisReply& reply,
                                                      const Endpoint& answered_by);

}  // namespace sluice::backends
