// RedisSurvey: asks every key of a kind on every server, for the administrator. Looks at the servers
// a part at a time, so that decisions wait for milliseconds only; each key is a subject of its
// own, about 100,000 keys a second.
//
// Threads: one at a time, not the client's: it waits for Redis.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/redis_store_core.h"

namespace sluice::backends {

class RedisSurvey {
 public:
  explicit RedisSurvey(RedisStoreCore& core) : core_(core) {}

  // The operation of the kind's script for every key: `filter` and whether the key itself is meant
  // are its first arguments, then the others.
  struct Question {
    RedisKind kind;
    std::string operation;
    std::string filter;
    std::vector<std::string> more;
    bool is_read = true;
  };
  // The answer for one key. A key may be told twice when a server grows meanwhile.
  using Take = std::function<void(const std::string& key, const RedisReply& answer)>;
  // What does not answer is left out; the client counts it as an error (StateHealth::errors).
  void ask(const Question& question, const Take& take);

 private:
  // A group of each server's.
  std::vector<unsigned> servers();
  std::optional<std::vector<std::string>> next_keys(unsigned group, const std::string& pattern,
                                                    std::string& cursor);
  void ask_keys(const Question& question, const std::vector<std::string>& keys, const Take& take);

  RedisStoreCore& core_;
};

// A question to each group, which its server answers with its own name.
std::vector<RedisCall> calls_to_all_groups(const RedisStoreCore& core);

// The place that a key names; nullopt: it is none of ours.
std::optional<RedisKeys::Place> place_of(std::string_view key);

}  // namespace sluice::backends
