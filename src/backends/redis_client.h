// RedisClient: script calls to Redis, whatever stands behind the address: one server, a master found
// by Sentinels, or a Cluster.
//
// Speaks RESP2 (Redis 6.2 and later, Valkey). What each error of a server leads to stands in
// backends/redis_reaction.h. A call whose outcome is unknown is never sent again, unless it says
// that it may be.
//
// Threads: call() and health() from any thread; `done` exactly once, on the client's own loop thread
// (or inline when the client knows that Redis is away). It must not throw and must return soon.
// Lifetime: the destructor answers what is on the way and waits for the loop; no call() during it.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace sluice::backends {

inline constexpr std::size_t kMaxRedisServers = 64;         // named in the configuration
inline constexpr std::size_t kMaxRedisSecret = 512;         // bytes of a password
inline constexpr std::size_t kMaxRedisQueue = 1'000;        // calls waiting or on the way, of one server
inline constexpr Duration kMaxRedisQueueWait{10};           // for a connection, a master or a slot map

// A Lua script, known by its SHA1 once the server has seen it.
struct RedisScript {
  std::string source;
  std::string sha1;  // 40 lower-case hex digits
};
RedisScript make_redis_script(std::string source);

// A parsed reply. Depth and counts are bounded by the reader.
struct RedisReply {
  enum class Kind : std::uint8_t { Nil, Integer, Text, Status, Error, Array } kind = Kind::Nil;
  std::int64_t integer = 0;
  std::string text;  // Text, Status, Error (without the leading '-')
  std::vector<RedisReply> items;
};

struct RedisCall {
  const RedisScript* script = nullptr;  // outlives the client
  std::vector<std::string> keys;        // all in one slot (the same {tag}); at least one
  std::vector<std::string> args;
  bool is_repeatable = false;  // may be sent again when its outcome is unknown (reads)
  // Given: the call is joined with others of its script and with the same head that go to the same
  // server (in a Cluster: whose keys are in the same slot). The script sees all their keys, then the
  // head, then all their arguments, and answers with one element for each. Each call has a result of
  // its own all the same; an element that is an error is judged as an error reply is.
  std::optional<std::string> head = std::nullopt;
};

enum class RedisOutcome : std::uint8_t {
  Answered,  // reply is there (also an error of the script itself: Kind::Error)
  NotDone,   // certainly not executed: away, refused, out of memory, read only, breaker open
  Unknown,   // sent, and no reply in time or the connection broke
};
struct RedisResult {
  RedisOutcome outcome = RedisOutcome::NotDone;
  RedisReply reply;
  std::string why;  // not Answered: the cause, for log and status
};
using RedisDone = std::function<void(std::vector<RedisResult>)>;

// One server as `sluice status` shows it.
struct RedisNodeHealth {
  std::string at;       // "10.0.0.1:6379"
  std::string role;     // "master", "replica", "unknown"
  std::string breaker;  // "closed", "open", "half-open"
  bool connected = false;
  std::string why;      // the last failure; empty when all is well
};

struct RedisHealth {
  bool available = true;  // at least one server takes calls
  bool degraded = false;  // some calls are not done: a server, its memory or its rights are missing
  std::optional<TimePoint> degraded_since;
  std::string what;  // "cluster of 3 masters, breaker closed, p50 0.2 ms"
  // Since the start. errors: results that are not Answered, and errors of scripts.
  std::uint64_t calls = 0, errors = 0, redirects = 0, reconnects = 0;
  std::uint64_t not_done = 0, unknown = 0;                               // of errors
  std::uint64_t moved = 0, asked = 0, tried_again = 0, followed = 0;     // of redirects
  std::uint64_t scripts_sent = 0;                                        // NOSCRIPT, hence EVAL
  std::uint64_t sent = 0;  // commands in which the calls went: fewer, where calls were joined
  std::vector<RedisNodeHealth> nodes;
};

class RedisClient {
 public:
  virtual ~RedisClient() = default;
  // All calls of one stage: joined or pipelined per node, side by side over nodes; results in the
  // same order.
  // Each is there within the client's timeout, redirects and one NOSCRIPT round included.
  virtual void call(std::vector<RedisCall> calls, RedisDone done) = 0;
  virtual RedisHealth health() const = 0;
};

// Exactly one of servers, sentinels and cluster is given. HOST:PORT or unix:PATH (servers only);
// HOST is an address or a name, which is looked up once, at the start. IPv6 stands in brackets.
struct RedisOptions {
  // In order: the first that is up and a master is used, until it fails.
  std::vector<std::string> servers;
  std::vector<std::string> sentinels;  // with `master`
  std::string master;
  std::vector<std::string> cluster;  // some of its nodes; the others are learnt from them
  std::string username;              // empty: Redis's default user
  std::string password_file;         // holds the password alone; empty: none is sent
  Duration timeout{100};             // of one call, from call() to done
  Duration connect_timeout{200};     // until a new connection has answered
  // Lines for the log: what changed (away, back, another master). From the loop's thread.
  std::function<void(std::string line)> log;
};

// Starts to connect and returns at once: Redis may be away, now and later. Error{Config}: no or
// wrong addresses, a password file that is missing, empty or may be read by every user.
Result<std::unique_ptr<RedisClient>> open_redis_client(const RedisOptions& options);

}  // namespace sluice::backends
