// The scripts that run inside Redis, put together of files of src/backends/redis
// (cmake/SluiceScripts.cmake says which). They are the only place that changes state there; what
// they take and answer stands at the beginning of their files.
#pragma once
#include "backends/redis_client.h"

namespace sluice::backends {

enum class RedisScriptName : std::uint8_t {
  Operations,  // calls of it may be joined
  Survey,
};

// The same object each time; it lives as long as the process.
const RedisScript& redis_script(RedisScriptName name);

}  // namespace sluice::backends
