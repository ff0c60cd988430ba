// Worlds with a real Redis behind the store: one server, a master that Sentinels watch, a Cluster.
// The servers live as long as the test process and are emptied for each world.
#pragma once
#include "backends/redis_store.h"
#include "redis_process.h"
#include "store_testing.h"

namespace sluice::backends {

// Generous: a busy machine must not look like a dead server.
inline constexpr Duration kPatience{5'000};

struct RedisSingleServers {
  RedisProcess server;
  RedisSingleServers() = default;
  explicit RedisSingleServers(const std::string& settings) : server(settings) {}
  RedisOptions options() const {
    RedisOptions options;
    options.servers = {server.address()};
    return options;
  }
  void empty() const { server.ask("flushall"); }
};

struct RedisSentinelServers {
  RedisProcess master;
  RedisProcess replica{fmt::format("replicaof 127.0.0.1 {}", master.port())};
  std::vector<std::unique_ptr<RedisProcess>> sentinels;
  RedisSentinelServers() {
    replica.wait_for("info replication", "master_link_status:up");
    for (int i = 0; i < 3; ++i)
      sentinels.push_back(std::make_unique<RedisProcess>(
          fmt::format("sentinel monitor mail 127.0.0.1 {} 2\nsentinel down-after-milliseconds mail "
                      "60000",
                      master.port()),
          true));
  }
  RedisOptions options() const {
    RedisOptions options;
    for (const auto& sentinel : sentinels) options.sentinels.push_back(sentinel->address());
    options.master = "mail";
    return options;
  }
  void empty() const { master.ask("flushall"); }
};

struct RedisClusterServers {
  static constexpr const char* kSettings = "cluster-enabled yes\ncluster-node-timeout 60000";
  RedisProcess a{kSettings}, b{kSettings}, c{kSettings};
  RedisClusterServers() {
    const auto made = a.ask(fmt::format("--cluster create {} {} {} --cluster-yes", a.address(),
                                        b.address(), c.address()));
    CAPTURE(made);
    for (const auto* node : {&a, &b, &c}) node->wait_for("cluster info", "cluster_state:ok");
  }
  RedisOptions options() const {
    RedisOptions options;
    options.cluster = {a.address(), b.address(), c.address()};
    return options;
  }
  void empty() const {
    for (const auto* node : {&a, &b, &c}) node->ask("flushall");
  }
};

// Redis is away at the very first, while the client connects.
inline void wait_until_there(StateStore& store) {
  for (int tries = 0; tries < 400; ++tries) {
    if (ask(store, Seen{"there"}).available) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(25));
  }
  FAIL("redis does not answer: " << store.health().what);
}

inline std::unique_ptr<RedisStore> open_redis_store(RedisOptions redis,
                                                    RedisStoreOptions options = {}) {
  redis.timeout = kPatience;
  auto client = open_redis_client(redis);
  if (!client) FAIL(client.error().what);
  auto store = std::make_unique<RedisStore>(std::move(*client), std::move(options));
  wait_until_there(*store);
  return store;
}

template <class Servers>
struct RedisWorld {
  static const char* missing() {
    return RedisProcess::is_installed() ? nullptr : "skipped: no redis-server";
  }
  static Servers& servers() {
    static Servers all;
    return all;
  }
  explicit RedisWorld(RedisStoreOptions options = {})
      : opened(open_empty(clock, std::move(options))) {}
  static std::unique_ptr<RedisStore> open_empty(const Clock& clock, RedisStoreOptions options) {
    servers().empty();
    options.server_clock = &clock;
    auto store = open_redis_store(servers().options(), std::move(options));
    servers().empty();
    return store;
  }
  std::string key(const std::string& key) const {
    return opened->shown_key(RedisKind::Limit, key);
  }

  VirtualClock clock{kStart};
  std::unique_ptr<RedisStore> opened;
  RedisStore& store = *opened;
};

using RedisSingle = RedisWorld<RedisSingleServers>;
using RedisSentinel = RedisWorld<RedisSentinelServers>;
using RedisCluster = RedisWorld<RedisClusterServers>;

}  // namespace sluice::backends
