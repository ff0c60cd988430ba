// CalloutCache: what callouts found out, by address or by domain, until it is too old; bounded, the
// least recently used goes first. Keys are hashed with a secret: senders choose addresses, not
// buckets. Threads: one at a time.
#pragma once
#include <chrono>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "backends/callout.h"
#include "base/text.h"

namespace sluice::backends {

inline constexpr std::size_t kMaxCalloutsKept = 50'000;  // some 40 MB at worst

// How long an outcome is kept. `longest` is of a yes; a no may be a new user's, the rest is the
// weather: long enough for the next try of the client, short enough to be asked again after it.
Duration kept_for(CalloutStatus status, Duration longest);

class CalloutCache {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit CalloutCache(std::size_t max_entries = kMaxCalloutsKept) : max_entries_(max_entries) {}

  // nullptr: not there or too old. Valid until the next call.
  const CalloutAnswer* find(std::string_view key, Time now);
  // A length of 0 keeps nothing.
  void insert(std::string_view key, const CalloutAnswer& answer, Duration length, Time now);
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string key;
    CalloutAnswer answer;
    Time until;
  };
  using Entries = std::list<Entry>;  // most recently used first

  void erase(Entries::iterator entry);

  std::size_t max_entries_;
  Entries entries_;
  std::unordered_map<std::string_view, Entries::iterator, KeyedHash>
      by_key_;  // views of Entry::key
};

}  // namespace sluice::backends
