// RedisCaller: the RedisClient: carries each call to the server that the topology names, and does
// what the table of errors says until it is answered, not done, or unknown.
//
// Calls that may be joined go in waves: what there is for a server is sent at once, as few commands
// as there can be; what comes while kMaxRedisWaves are on the way goes with the next, as soon as
// one is back or enough has come for a command of its own. So nothing waits for a partner, and the
// busier a server is the more calls share a command. How a call fares is its own affair also then:
// an error of the command is judged for each of them. One that went wrong at first never waits
// again.
#pragma once
#include <array>
#include <atomic>
#include <deque>
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

inline constexpr std::size_t kMaxRedisWaves = 2;  // on the way to one server
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
    bool is_asking = false, was_sent = false, was_repeated = false;
    bool goes_alone = false;   // joined with others it was refused
    bool is_put_off = false;  // waits for its time, not for a server
    std::string why;          // it waits
  };
  using RunPtr = std::shared_ptr<Run>;
  using NodePtr = std::shared_ptr<RedisNode>;

  // What was asked for and not looked at yet.
  struct Asked {
    std::vector<RedisCall> calls;
    RedisDone done;
    Time begun;
  };
  struct Wave {
    std::size_t missing = 0;  // commands
  };
  // One command.
  struct Parcel {
    std::vector<RunPtr> runs;
    NodePtr node;
    std::shared_ptr<Wave> wave;  // none: it goes past the queue
    bool is_in_full = false;
  };
  using ParcelPtr = std::shared_ptr<Parcel>;
  // The way to one server.
  struct Lane {
    NodePtr node;
    std::deque<RunPtr> queue;
    std::size_t waves = 0, on_the_way = 0;  // on_the_way: calls
    bool is_urgent = false;                 // something in the queue does not wait
  };

  void take_asked();
  void begin(Asked asked);
  void dispatch(const RunPtr& run);
  // backends/redis_caller_lanes.cpp
  std::size_t load(const RedisNode& node) const;
  void enqueue(const RunPtr& run, const NodePtr& node);
  void flush();
  void flush(Lane& lane);
  std::vector<ParcelPtr> join_queue(Lane& lane);
  void send(const ParcelPtr& parcel);
  void transmit(const ParcelPtr& parcel);
  void answered(const ParcelPtr& parcel, RedisAnswer answer);
  void arrived(const Parcel& parcel);
  void take_reply(const Parcel& parcel, RedisReply reply);
  void take_error(const ParcelPtr& parcel, const RedisReply& error);

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
  std::map<const RedisNode*, Lane> lanes_;
  bool joins_slots_ = true;
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
        asked{0}, tried_again{0}, followed{0}, scripts_sent{0}, sent{0};
  } counts_;
  static constexpr std::size_t kLatencySteps = 24;  // step n ends at 8 us * 2^n
  std::array<std::atomic<std::uint64_t>, kLatencySteps> latency_{};

  std::mutex asked_mutex_;
  std::vector<Asked> asked_;  // under asked_mutex_

  mutable std::mutex mutex_;
  RedisTopologyState state_;                 // under mutex_
  std::string bad_why_;                      // under mutex_; empty: all calls are done
  std::optional<TimePoint> degraded_since_;  // under mutex_

  std::unique_ptr<EventLoop> loop_;  // last: nothing runs on it any more when the others go
};

}  // namespace sluice::backends
