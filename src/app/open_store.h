// Which state store the configuration names, and how it is opened.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "app/config.h"
#include "backends/redis_store.h"
#include "backends/state_store.h"
#include "base/clock.h"
#include "base/result.h"

namespace sluice::app {

// Embedded or Redis. Redis may be away: it is waited for while mail goes on. Errors: as EmbeddedStore
// and open_redis_client say, Config for a pepper that cannot be read.
Result<std::unique_ptr<backends::StateStore>> open_store(const ServiceConfig& config,
                                                         const Clock& clock);
Result<std::unique_ptr<backends::RedisStore>> open_redis_store(const ServiceConfig& config);

// What of `store: redis` a start would refuse, one line each; nothing is connected to.
std::vector<std::string> redis_mistakes(const ServiceConfig& config);

// "embedded in /var/lib/sluice", "redis, cluster 10.0.0.1:6379 10.0.0.2:6379".
std::string store_line(const ServiceConfig& config);

}  // namespace sluice::app
