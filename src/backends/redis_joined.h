// Calls of one script that go to a server as one command, and come back as one reply.
//
// A script holds up the whole server while it runs: a joined call is bounded so that it takes about
// a millisecond at most.
#pragma once
#include <vector>

#include "backends/redis_client.h"

namespace sluice::backends {

// Of one joined call. A single call that is larger goes by itself.
inline constexpr std::size_t kMaxJoinedCalls = 32;
inline constexpr std::size_t kMaxJoinedKeys = 160;
inline constexpr std::size_t kMaxJoinedWords = 1'024;       // arguments
inline constexpr std::size_t kMaxJoinedBytes = 64u * 1024;  // of keys and arguments

// What was joined so far.
class RedisJoin {
 public:
  explicit RedisJoin(const RedisCall& first) : first_(&first) { add(first); }
  // Same script, same head, and within the bounds.
  bool takes(const RedisCall& call) const;
  void add(const RedisCall& call);

 private:
  const RedisCall* first_;
  std::size_t calls_ = 0, keys_ = 0, words_ = 0, bytes_ = 0;
};

// The reply to each of so many calls. Error{Permanent}: it has more or fewer parts.
Result<std::vector<RedisReply>> split_joined_reply(RedisReply reply, std::size_t calls);

}  // namespace sluice::backends
