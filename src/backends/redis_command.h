// What is sent to Redis, in RESP2.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "backends/redis_client.h"

namespace sluice::backends {

// One command; words may hold any bytes.
std::string redis_command(const std::vector<std::string_view>& words);
// EVALSHA, or with `in_full` EVAL, of one call, or of several that were joined
// (backends/redis_joined.h): all their keys, their head if they have one, all their arguments.
std::string redis_script_command(const std::vector<const RedisCall*>& calls, bool in_full);

}  // namespace sluice::backends
