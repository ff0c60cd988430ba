// RedisCaller: the RedisClient: carries each call to the server that the topology names, and does
// what the table of errors says until it is answered, not done, or unknown.
#pragma once
#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "backends/redis_client.h"
#include "backends/redis_node_watch.h"
#include "backends/redis_topology.h"

namespace sluice::backends {

inline constexpr int kMaxRedisHops = 3;   // MOVED and ASK of one call
inline constexpr int kMaxRedisTries = 3;  // TRYAGAIN of one call
inline constexpr Duration kRedisTryAgainAfter{10};
// A slot that stayed divided for all tries of a call: others do not wait for it meanwhile.
inline constexpr Duration kRedisDividedFor{1'000};
inline constexpr std::size_t kMaxDividedSlots = 256;  // known at a time
inline constexpr Duration kRedisDegradedFor{5'000};  // after the last call that was not done

class RedisCaller final : public RedisClient {
 public:
  using MakeTopology = std::function<std::unique_ptr<RedisTopology>(const RedisTopology::Setting&)>;
  RedisCaller(std::unique_ptr<EventLoop> loop, const RedisOptions& options,
              RedisCredentials credentials, const MakeTopology& make);
  ~RedisCaller() override;

  void call(std::vector<RedisCall> calls, RedisDone done) override;
  RedisHealth health() const override;

 private:
  using Time = EventLoop::Steady::time_point;
  struct Batch {
    std::vector<RedisResult> results;
    std::size_t missing = 0;
    RedisDone done;
  };
  // One call on its way.
  struct Run {
    RedisCall call;
    std::shared_ptr<Batch> batch;
    std::size_t index = 0;  // in the batch
    Time begun, deadline;
    std::optional<Time> patience;  // until then it waits for a server to come up
    std::optional<Endpoint> at;    // where a redirect pointed
    int slot = 0, hops = 0, tries = 0;
    bool is_asking = false, is_in_full = false, was_repeated = false;
    bool is_put_off = false;  // waits for its time, not for a server
    std::string why;          // it waits
  };
  using RunPtr = std::shared_ptr<Run>;
  using NodePtr = std::shared_ptr<RedisNode>;

  void begin(std::vector<RedisCall> calls, RedisDone done, Time begun);
  void dispatch(const RunPtr& run);
  void send(const RunPtr& run, const NodePtr& node);
  void answered(const RunPtr& run, const NodePtr& node, RedisAnswer answer);
  void failed(const RunPtr& run, const NodePtr& node, const RedisAnswer& answer);
  void react(const RunPtr& run, const NodePtr& node, RedisReply error);
  void redirect(const RunPtr& run, const NodePtr& node, RedisReaction how,
                const std::string& error);
  void try_again(const RunPtr& run, const NodePtr& node, const std::string& error);
  bool is_divided(int slot, Time now) const;
  void take_as_divided(int slot, Time now);
  void follow(const RunPtr& run, const NodePtr& node, const std::string& error);
  void wait(const RunPtr& run, Time until, std::string why);
  void wake();  // something changed: all that wait are tried
  void wake_due();
  void watch_waiting();

  void answer(const RunPtr& run, RedisReply reply);
  void leave(const RunPtr& run, RedisOutcome outcome, std::string why);
  void finish(const RunPtr& run, RedisResult result);
  void count_latency(Time begun);
  std::string median_latency() const;

  void log_line(std::string line) const;
  void changed();
  void tick();
  void publish();
  void close();

  const Duration timeout_;
  const std::function<void(std::string)> log_;
  RedisCredentials credentials_;
  std::unique_ptr<RedisTopology> topology_;
  std::multimap<Time, RunPtr> waiting_;  // by when they are tried or given up
  std::map<int, Time> divided_;          // slots on their way to another server, until when
  Time divided_told_at_{};
  EventLoop::TimerId wait_timer_ = 0, tick_timer_ = 0;
  RedisRetryBudget budget_;
  bool is_changed_ = false;  // wake() is posted
  bool is_closing_ = false;
  bool is_misuse_logged_ = false;
  std::optional<TimePoint> bad_since_, last_bad_;  // calls that were not done
  std::string last_why_;                           // the last of them
  RedisNodeWatch watch_;

  struct Counts {
    std::atomic<std::uint64_t> calls{0}, script_errors{0}, not_done{0}, unknown{0}, moved{0},
        asked{0}, tried_again{0}, followed{0}, scripts_sent{0};
  } counts_;
  static constexpr std::size_t kLatencySteps = 24;  // step n ends at 8 us * 2^n
  std::array<std::atomic<std::uint64_t>, kLatencySteps> latency_{};

  mutable std::mutex mutex_;
  RedisTopologyState state_;                 // under mutex_
  std::string bad_why_;                      // under mutex_; empty: all calls are done
  std::optional<TimePoint> degraded_since_;  // under mutex_

  std::unique_ptr<EventLoop> loop_;  // last: nothing runs on it any more when the others go
};

}  // namespace sluice::backends
