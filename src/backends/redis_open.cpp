#include "backends/redis_address.h"
#include "backends/redis_caller.h"

namespace sluice::backends {
namespace {

// Which of the three it is, ready to be made on its loop.
Result<RedisCaller::MakeTopology> choose_topology(const RedisOptions& options) {
  using Setting = RedisTopology::Setting;
  const int given = int{!options.servers.empty()} + int{!options.sentinels.empty()} +
                    int{!options.cluster.empty()};
  if (given == 0) return config_error("none of servers, sentinels and cluster is given");
  if (given > 1) return config_error("only one of servers, sentinels and cluster can be given");
  if (options.sentinels.empty() != options.master.empty())
    return config_error("sentinels and master go together");
  const bool is_watched = !options.sentinels.empty();
  const auto& texts = is_watched                ? options.sentinels
                      : options.cluster.empty() ? options.servers
                                                : options.cluster;
  auto found = find_redis_servers(texts, is_watched ? kSentinelPort : kRedisPort);
  if (!found) return tl::unexpected<Error>(found.error());
  if (is_watched)
    return [at = *found, master = options.master](const Setting& setting) {
      return make_redis_sentinels(setting, at, master);
    };
  if (!options.cluster.empty())
    return [at = *found](const Setting& setting) { return make_redis_cluster(setting, at); };
  return [at = *found](const Setting& setting) { return make_redis_servers(setting, at); };
}

}  // namespace

Result<std::unique_ptr<RedisClient>> open_redis_client(const RedisOptions& options) {
  RedisCredentials credentials{options.username, options.password_file, {}};
  if (credentials.is_empty() && !options.username.empty())
    return config_error("a username without a password_file");
  if (const auto read = credentials.read(); !read) return tl::unexpected<Error>(read.error());
  const auto make = choose_topology(options);
  if (!make) return tl::unexpected<Error>(make.error());
  auto loop = EventLoop::start("sluice-redis");
  if (!loop) return tl::unexpected<Error>(loop.error());
  return std::make_unique<RedisCaller>(std::move(*loop), options, std::move(credentials), *make);
}

}  // namespace sluice::backends
