// What an error reply of Redis leads to: one table, read by the first word of the error (inside a
// script Redis appends ` script: <sha>, …`, so more is not compared, except behind the word ERR).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::backends {

enum class RedisReaction : std::uint8_t {
  Answer,  // the script's own error: it may have run; handed to the caller
  // All others: certainly not executed.
  Move,        // MOVED: sent again there, the slot map is asked for
  Ask,         // ASK: sent again there, once, behind ASKING
  TryAgain,    // a slot is on its way: again in 10 ms, 3 times
  SendScript,  // the server does not know the script: sent whole
  Follow,      // a replica: its master is looked for, and the call sent there
  Away,        // this server takes no calls now: the breaker counts it, others are looked for
  Refuse,      // out of memory or disk: not done; the server stays in use
  Rediscover,  // a master without its replicas: not done; is it still the master?
  Forbid,      // rights or password: not done; for the administrator, tried again in 5 s
  BackOff,     // too many clients
  Misuse,      // keys of several slots in one call: a fault of ours
};

struct RedisErrorRule {
  std::string_view word;
  std::string_view rest;  // what the text behind the word begins with; empty: anything
  RedisReaction reaction;
};
const std::vector<RedisErrorRule>& redis_error_rules();

// error: without the leading '-'.
RedisReaction redis_reaction(std::string_view error);

// Where MOVED and ASK point: `MOVED 3999 127.0.0.1:6381`. An empty host is the one that answered.
struct RedisRedirect {
  int slot = 0;
  std::string host;
  std::uint16_t port = 0;
};
// None: it does not say where.
std::optional<RedisRedirect> parse_redis_redirect(std::string_view error);

}  // namespace sluice::backends
