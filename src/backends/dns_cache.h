// DnsCache: answers by question until their TTL is over; bounded in entries and bytes, the least
// recently used goes first. Keys are hashed with a secret (keyed_hash): senders choose names, not
// buckets. Threads: one at a time.
#pragma once
#include <chrono>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "backends/dns_resolver.h"
#include "base/text.h"

namespace sluice::backends {

inline constexpr std::size_t kMaxCachedAnswerBytes = 8192;  // larger ones are not kept
inline constexpr std::size_t kMaxCacheBytes = 64U << 20;    // of all answers together

class DnsCache {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // max_entries 0: keeps nothing.
  explicit DnsCache(std::size_t max_entries) : max_entries_(max_entries) {}

  // nullptr: not there or too old. The answer stays valid whatever happens to the cache.
  std::shared_ptr<const DnsAnswer> find(std::string_view name, DnsType type, Time now);
  // A ttl of 0 keeps nothing.
  void insert(std::string_view name, DnsType type, const DnsAnswer& answer,
              std::chrono::seconds ttl, Time now);

  void forget(std::string_view name, DnsType type);

  std::size_t size() const { return entries_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    std::string name;
    DnsType type;
    std::shared_ptr<const DnsAnswer> answer;
    Time until;
    std::size_t bytes;
  };
  using Entries = std::list<Entry>;  // most recently used first
  // A question without a string of its own: a look-up allocates nothing.
  struct Key {
    std::string_view name;  // of the entry, or of who asks
    DnsType type;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const {
      return static_cast<std::size_t>(keyed_hash(key.name)) + static_cast<std::size_t>(key.type);
    }
  };

  void erase(Entries::iterator entry);

  std::size_t max_entries_;
  std::size_t bytes_ = 0;
  Entries entries_;
  std::unordered_map<Key, Entries::iterator, KeyHash> by_key_;  // views of Entry::name
};

// The question as one key: canonical name and type.
std::string question_key(std::string_view name, DnsType type);

}  // namespace sluice::backends
