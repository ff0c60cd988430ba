// RedisRequest: operations of a stage as script calls: one call for each subject (a key of the
// state), with all its operations in their order. The client joins them
// (backends/redis/operations.lua says how they look then).
//
// Threads: one at a time; the keys are shared.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "backends/redis_client.h"
#include "backends/redis_keys.h"
#include "backends/redis_scripts.h"
#include "backends/state_store.h"

namespace sluice::backends {

inline constexpr std::size_t kMaxStoredName = 256;  // bytes of a readable name

// What every call of a store says of itself.
struct RedisCallSettings {
  std::string time;       // the server's, in ms; empty: it looks at its own clock
  Duration resolution{0};  // a clock looked at so recently is not written again; negative: never
  Duration margin{0};      // that a limit stays longer than it counts; passes twice as much
  bool names = true;
};

class RedisRequest {
 public:
  RedisRequest(const RedisKeys& keys, const RedisCallSettings& settings)
      : keys_(&keys), settings_(&settings) {}

  // Where the answer of an operation will stand.
  struct Part {
    std::size_t call = 0;
    std::size_t answer = 0;
  };
  Part add(const Reserve& op);
  Part add(const Peek& op);
  Part add(const Commit& op);
  Part add(const Release& op);
  Part add(const Renew& op);
  Part add(const GreylistLook& op);  // of the entry
  Part add(const GreylistRecord& op);
  Part add(const GreylistPromote& op);
  Part add_auto(const GreylistLook& op);  // of its auto_key
  Part add_auto(const GreylistPromote& op);
  Part add(const ListAdd& op, std::size_t most_entries);
  Part add(const ListRemove& op);
  Part add(const Seen& op);
  Part add(const SeenRecord& op);
  Part add_news(std::int64_t known_version);

  // An operation of a script by its name; arguments are the script's.
  Part add(RedisKind kind, const RedisKeys::Place& place, bool is_read,
           std::vector<std::string> arguments);
  Part add_shared(bool is_read, std::vector<std::string> arguments);

  std::vector<RedisCall> take();

 private:
  RedisCall& call_for(RedisKind kind, const RedisKeys::Place& place, std::size_t& index);
  RedisCall& new_call(char kind, std::vector<std::string> keys);
  Part append(RedisCall& call, std::size_t index, bool is_read,
              std::vector<std::string> arguments);
  std::string stored_name(const std::string& name) const;

  const RedisKeys* keys_;
  const RedisCallSettings* settings_;
  std::vector<RedisCall> calls_;
  std::vector<std::size_t> answers_;           // of each call
  std::map<std::string, std::size_t> places_;  // by the key that is the subject
};

// A member of the lists' hash.
std::string list_field(const std::string& list, const std::string& value);

}  // namespace sluice::backends
