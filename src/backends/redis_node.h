// RedisNode: one server: a connection that is made again whenever it ends, a breaker in front of
// it, and what the server says of itself.
//
// A connection is Ready once the server has answered AUTH, PING and ROLE on it; both are asked
// again every second, so that a frozen server is known without a call waiting for it.
//
// Threads: the loop's own thread only. Lifetime: shared; close() before the last owner lets go.
#pragma once
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "backends/redis_breaker.h"
#include "backends/redis_connection.h"
#include "backends/redis_credentials.h"
#include "backends/redis_role.h"

namespace sluice::backends {

inline constexpr Duration kRedisCheckEvery{1'000};
inline constexpr Duration kRedisForbiddenRest{5'000};

class RedisNode : public std::enable_shared_from_this<RedisNode> {
 public:
  using Time = EventLoop::Steady::time_point;
  struct Settings {
    RedisCredentials* credentials = nullptr;  // shared by all nodes, outlives them
    Duration timeout{100}, connect_timeout{200};
  };
  // Something changed: the connection, its role. Told from the loop, never from within a function.
  using Changed = std::function<void(RedisNode&)>;
  enum class Standing : std::uint8_t {
    Up,    // takes calls
    Soon,  // its first connection attempt or a probe is on the way: worth some milliseconds
    Down,
  };

  static std::shared_ptr<RedisNode> start(EventLoop& loop, const Endpoint& at,
                                          const Settings& settings, Changed changed);
  ~RedisNode();

  Standing standing(Time now) const;
  // Takes the breaker's probe, if one is due. Only when it says Up may a call be sent.
  Standing admit(Time now);
  // Connected, and the breaker is closed: what waited for its turn may be sent without being
  // admitted again.
  bool is_well() const;
  void send(std::string command, Time deadline, RedisConnection::Done done);
  std::size_t on_the_way() const { return connection_ ? connection_->on_the_way() : 0; }

  // What became of a call.
  void succeeded();
  void failed(const std::string& why);
  // Password or rights are wrong: left alone for kRedisForbiddenRest.
  void forbidden(const std::string& why);

  // No new connection; the present one ends when nothing is on the way any more.
  void retire();
  void close(const std::string& why);
  // Asks ROLE now instead of within a second.
  void check_soon();
  // It refused to write; ROLE is asked again.
  void assume_replica();

  const Endpoint& at() const { return at_; }
  const RedisRole& role() const { return role_; }
  const std::string& why() const { return why_; }
  std::uint64_t reconnects() const { return connects_ > 0 ? connects_ - 1 : 0; }
  RedisNodeHealth health() const;

 private:
  enum class State : std::uint8_t { Waiting, Connecting, Ready, Closed };
  RedisNode(EventLoop& loop, const Endpoint& at, const Settings& settings, Changed changed);

  void connect();
  void greet();
  void greeted(RedisAnswer answer, bool is_last);
  void became_ready();
  void ended(const std::string& why);
  void connect_in(Duration wait);
  void check();
  void check_in_a_second();
  void drop_connection(const std::string& why);
  void take_role(const RedisReply& reply);
  void tell_changed();

  EventLoop& loop_;
  const Endpoint at_;
  const Settings settings_;
  const Changed changed_;
  std::shared_ptr<RedisConnection> connection_;
  State state_ = State::Waiting;
  RedisBreaker breaker_;
  RedisBackoff backoff_;
  RedisRole role_;
  std::string why_;
  std::uint64_t connects_ = 0;    // that became Ready
  unsigned failed_attempts_ = 0;  // since it was last Ready
  Time ready_since_{};
  bool is_forbidden_ = false, is_retired_ = false, is_check_under_way_ = false;
  EventLoop::TimerId timer_ = 0;  // of the next attempt or check
  std::minstd_rand random_;
};

// Servers no longer in use, until what is on the way there is answered.
class RetiredRedisNodes {
 public:
  void retire(const std::shared_ptr<RedisNode>& node);
  void close();

 private:
  std::vector<std::weak_ptr<RedisNode>> nodes_;
};

}  // namespace sluice::backends
