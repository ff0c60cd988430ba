// RedisSentinel: one Sentinel: asked where the master is, and listened to for when it moves.
//
// Two connections, as a subscribed one takes no questions. A Sentinel that wants a password is
// given that of the servers.
//
// Threads: the loop's own thread only. Lifetime: close() before it goes.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "backends/redis_breaker.h"
#include "backends/redis_connection.h"
#include "backends/redis_credentials.h"
#include "backends/redis_node.h"

namespace sluice::backends {

// What a Sentinel said of the master: an address, or why there is none.
struct SentinelAnswer {
  std::optional<Endpoint> master;
  std::string why;
};

// ["10.0.0.1", "6379"], nil for a name it does not know, or an error.
SentinelAnswer parse_sentinel_answer(const RedisReply& reply, const Endpoint& sentinel);
// ["message", "+switch-master", "NAME OLD-IP OLD-PORT NEW-IP NEW-PORT"]. None: another message, or
// another master's.
std::optional<Endpoint> parse_switch_master(const RedisReply& message, std::string_view name,
                                            const Endpoint& sentinel);

class RedisSentinel {
 public:
  using Done = std::function<void(SentinelAnswer)>;
  using Switched = std::function<void(const Endpoint& master)>;

  RedisSentinel(EventLoop& loop, const Endpoint& at, std::string name,
                const RedisNode::Settings& settings, Switched switched);
  ~RedisSentinel();

  void listen();
  // `done` once, within the timeout; not after close().
  void ask(Done done);
  void close();

  const Endpoint& at() const { return at_; }
  bool is_listening() const { return is_listening_; }
  const std::string& why() const { return why_; }  // of the last failure

 private:
  std::shared_ptr<RedisConnection> open(RedisConnection::Events events);
  void take(const Done& done, RedisAnswer answer, bool is_second);
  void ask_on_connection(const Done& done, bool is_second);
  void listen_again(const std::string& why);

  EventLoop& loop_;
  const Endpoint at_;
  const std::string name_;
  const RedisNode::Settings settings_;
  const Switched switched_;
  std::shared_ptr<RedisConnection> questions_, channel_;
  RedisBackoff backoff_;
  EventLoop::TimerId timer_ = 0;
  bool needs_password_ = false, is_listening_ = false, is_closed_ = false;
  std::string why_;
  std::minstd_rand random_;
};

}  // namespace sluice::backends
