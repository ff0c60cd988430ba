// RedisStore: the state of several hosts, kept in Redis: one server, Sentinel or a Cluster.
//
// What one submission asks goes out in one round trip. Each subject (key) is atomic with all that
// is asked of it, the submission as a whole is not: its subjects share script calls with those of
// others (backends/redis_caller.h), or go to other servers. Keys and encoding:
// backends/redis_keys.h and backends/redis/*.lua. Time is the server's, per group of keys; a clock
// set back by less than kRedisClockResolution may pass unnoticed. Numbers count exactly up to 2^53.
//
// Two things are answered without a call: a refusal by committed use until its time is over, and
// dynamic lists from a copy. Both need news from Redis that is kRedisNewsAge old at most (list
// entries, resets and grants of other hosts are felt within it); while they are asked for, news is
// fetched half as often again.
//
// When Redis is away, answers are "not available" (`unsure` when a write was sent and nothing came
// back; it is not sent again). Passes of the greylist that could not be written are kept, up to
// kMaxKeptPasses, and written when Redis is back; nothing else is. A greylist look that finds
// nothing on a server that takes no writes is not available either: what cannot be remembered would
// be deferred for ever.
//
// Threads: any; `done` comes on the client's thread, or inline. show, forget and grant wait for
// Redis: not on the client's thread.
#pragma once
#include <memory>
#include <string>

#include "backends/redis_client.h"
#include "backends/redis_keys.h"
#include "backends/state_store.h"

namespace sluice::backends {

class RedisStoreCore;

inline constexpr Duration kRedisNewsAge{1'000};
inline constexpr Duration kRedisClockResolution{250};
inline constexpr std::size_t kMaxKeptPasses = 10'000;

struct RedisStoreOptions {
  std::string pepper;        // empty: keys are hashed without a secret
  bool names = true;         // readable names are kept beside the keys
  bool deny_cache = true;
  // For tests only: the time that the scripts take instead of the server's, and groups of keys that
  // share a clock.
  const Clock* server_clock = nullptr;
  unsigned groups = kRedisGroups;
};

// Since the start.
struct RedisStoreCounts {
  std::uint64_t remembered_denials = 0;  // refused without a call
  std::uint64_t not_available = 0;       // operations without an answer
  std::size_t kept_passes = 0;           // waiting to be written
};

class RedisStore final : public StateStore {
 public:
  RedisStore(std::unique_ptr<RedisClient> client, RedisStoreOptions options);
  ~RedisStore() override;  // after what is on the way was answered

  void submit(std::vector<StateOp> ops, StateDone done) override;
  std::vector<StateEntry> show(const StateQuery& query) override;
  std::size_t forget(StateEntry::Kind kind, const std::string& filter) override;
  std::size_t grant(const std::string& filter, std::int64_t extra, Duration keep) override;
  StateHealth health() const override;
  bool flush(Duration most) override;  // every server has answered what was sent

  RedisStoreCounts counts() const;
  // The key that show() prints for a state key of that kind (lists: the list's own name).
  std::string shown_key(RedisKind kind, const std::string& key) const;
  // Scripts and keys, for those that move state.
  RedisStoreCore& core() { return *core_; }

 private:
  std::shared_ptr<RedisStoreCore> core_;
};

}  // namespace sluice::backends
