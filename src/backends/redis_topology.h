// RedisTopology: which server a call goes to. One server, Sentinel and Cluster differ here only.
//
// Threads: the loop's own thread only.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backends/redis_node.h"
#include "backends/redis_reaction.h"

namespace sluice::backends {

// Where a call may go now.
struct RedisPlace {
  std::shared_ptr<RedisNode> node;  // none: nowhere
  bool is_worth_waiting = false;    // another is about to be known
  std::string why;                  // without a node
};

struct RedisTopologyState {
  bool is_available = false;  // some server takes calls
  bool is_complete = false;   // all are there
  std::string what;           // "master 10.0.0.1:6379 by 3 sentinels"
  std::uint64_t reconnects = 0;
  std::vector<RedisNodeHealth> nodes;
};

class RedisTopology {
 public:
  // What all topologies are given. `changed`: other servers, or one of them came or went; it is
  // posted to the loop, never called from within a function.
  struct Setting {
    EventLoop* loop = nullptr;
    RedisNode::Settings node;
    std::function<void()> changed;
    std::function<void(std::string line)> log;  // for the administrator: what changed
  };

  virtual ~RedisTopology() = default;
  virtual void start() = 0;
  // Everything on the way is answered.
  virtual void close() = 0;

  // A call may have keys of several slots.
  virtual bool joins_slots() const { return true; }
  // slot: of the call's first key.
  virtual RedisPlace place(int slot) = 0;
  // Where a redirect points.
  virtual RedisPlace place_at(const Endpoint& at) = 0;
  // A server answered a call with this error.
  virtual void told(RedisNode& by, RedisReaction reaction, const std::string& error) = 0;
  // A call got lost there.
  virtual void lost(RedisNode& node) = 0;

  virtual RedisTopologyState state() const = 0;
};

std::unique_ptr<RedisTopology> make_redis_servers(const RedisTopology::Setting& setting,
                                                  std::vector<Endpoint> servers);
std::unique_ptr<RedisTopology> make_redis_sentinels(const RedisTopology::Setting& setting,
                                                    std::vector<Endpoint> sentinels,
                                                    std::string master);
std::unique_ptr<RedisTopology> make_redis_cluster(const RedisTopology::Setting& setting,
                                                  std::vector<Endpoint> seeds);

}  // namespace sluice::backends
