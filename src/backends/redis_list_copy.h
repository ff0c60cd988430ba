// RedisListCopy: the dynamic lists as this process knows them, so that `x in $list` costs no call.
// Kept up to date by the changes that Redis tells. Not thread-safe.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "backends/redis_answers.h"
#include "base/text.h"

namespace sluice::backends {

inline constexpr std::size_t kMaxListEntries = 200'000;  // of all lists together

class RedisListCopy {
 public:
  void apply(const ListChange& change);
  void apply(const std::vector<ListChange>& changes);
  // Looks an address up once for each prefix length in use.
  bool contains(const ListContains& op, TimePoint now) const;
  // What list show prints: entries that live and that the filter means, times of the store.
  std::vector<StateEntry> entries(const std::string& filter, TimePoint now) const;
  // Redis does not tell when an entry's time is over.
  void drop_expired(TimePoint now);
  std::size_t size() const { return size_; }

 private:
  struct AddressHash {
    std::size_t operator()(const IpAddress& address) const;
  };
  using Values = std::unordered_set<std::string, KeyedHash>;
  struct OneList {
    std::unordered_map<std::string, ListValue, KeyedHash> values;
    // Of one family, by the length within 128 bits: the values that name each network.
    std::map<int, std::unordered_map<IpAddress, Values, AddressHash>> v4, v6;
  };
  void remove(const ListField& field);
  bool is_live(const OneList& list, const std::string& value, TimePoint now) const;

  std::map<std::string, OneList> lists_;
  std::size_t size_ = 0;
};

}  // namespace sluice::backends
