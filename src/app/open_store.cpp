#include "app/open_store.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "app/logging.h"
#include "backends/embedded_store.h"
#include "backends/redis_credentials.h"

namespace sluice::app {

namespace {

backends::RedisOptions redis_options(const ServiceConfig& config) {
  backends::RedisOptions options;
  options.servers = config.redis_servers;
  options.sentinels = config.redis_sentinels;
  options.master = config.redis_master;
  options.cluster = config.redis_cluster;
  options.username = config.redis_username;
  options.password_file = config.redis_password_file;
  options.timeout = config.redis_timeout;
  options.log = [](const std::string& line) { log_warning(line); };
  return options;
}

}  // namespace

std::vector<std::string> redis_mistakes(const ServiceConfig& config) {
  std::vector<std::string> mistakes;
  const int given = int{!config.redis_servers.empty()} + int{!config.redis_sentinels.empty()} +
                    int{!config.redis_cluster.empty()};
  if (given != 1)
    mistakes.emplace_back("store: redis needs one of redis.servers, redis.sentinels, redis.cluster");
  if (config.redis_sentinels.empty() != config.redis_master.empty())
    mistakes.emplace_back("redis.sentinels and redis.master go together");
  if (!config.redis_username.empty() && config.redis_password_file.empty())
    mistakes.emplace_back("redis.username without redis.password_file");
  if (config.pepper_file.empty())
    mistakes.emplace_back(
        "store: redis needs pepper_file, the same on every host (head -c 32 /dev/urandom)");
  else if (const auto pepper = backends::read_pepper(config.pepper_file); !pepper)
    mistakes.push_back("pepper_file: " + pepper.error().what);
  if (!config.redis_password_file.empty()) {
    const auto password = backends::read_redis_password(config.redis_password_file);
    if (!password) mistakes.push_back("redis.password_file: " + password.error().what);
  }
  return mistakes;
}

Result<std::unique_ptr<backends::RedisStore>> open_redis_store(const ServiceConfig& config) {
  const auto pepper = backends::read_pepper(config.pepper_file);
  if (!pepper) return config_error("pepper_file: " + pepper.error().what);
  auto client = backends::open_redis_client(redis_options(config));
  if (!client) return tl::unexpected<Error>(client.error());
  backends::RedisStoreOptions options;
  options.pepper = *pepper;
  options.names = config.redis_names;
  return std::make_unique<backends::RedisStore>(std::move(*client), std::move(options));
}

Result<std::unique_ptr<backends::StateStore>> open_store(const ServiceConfig& config,
                                                         const Clock& clock) {
  if (config.store == "redis") return open_redis_store(config);
  return backends::EmbeddedStore::open(config.state, clock, {});
}

std::string store_line(const ServiceConfig& config) {
  if (config.store != "redis") return "embedded in " + config.state;
  if (!config.redis_cluster.empty())
    return fmt::format("redis, cluster {}", fmt::join(config.redis_cluster, " "));
  if (!config.redis_sentinels.empty())
    return fmt::format("redis, {} behind sentinels {}", config.redis_master,
                       fmt::join(config.redis_sentinels, " "));
  return fmt::format("redis {}", fmt::join(config.redis_servers, " "));
}

}  // namespace sluice::app
