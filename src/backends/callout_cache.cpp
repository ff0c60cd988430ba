#include "backends/callout_cache.h"

#include <algorithm>

namespace sluice::backends {

Duration kept_for(CalloutStatus status, Duration longest) {
  using std::chrono::hours;
  using std::chrono::minutes;
  switch (status) {
    case CalloutStatus::Accepted:
      return longest;
    case CalloutStatus::Refused:
      return std::min<Duration>(longest, hours(2));
    case CalloutStatus::NoAnswer:
    case CalloutStatus::Dropped:
    case CalloutStatus::Undecided:
      return std::min<Duration>(longest, minutes(15));
    case CalloutStatus::Temporary:
      return std::min<Duration>(longest, minutes(5));
    case CalloutStatus::ServFail:  // the resolver keeps it
    case CalloutStatus::Timeout:
    case CalloutStatus::Budget:
    case CalloutStatus::NotConfigured:
      break;
  }
  return Duration{0};
}

const CalloutAnswer* CalloutCache::find(std::string_view key, Time now) {
  const auto at = by_key_.find(key);
  if (at == by_key_.end()) return nullptr;
  if (at->second->until <= now) {
    erase(at->second);
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, at->second);
  return &entries_.front().answer;
}

void CalloutCache::insert(std::string_view key, const CalloutAnswer& answer, Duration length,
                          Time now) {
  if (const auto old = by_key_.find(key); old != by_key_.end()) erase(old->second);
  if (length <= Duration{0} || max_entries_ == 0) return;
  if (entries_.size() >= max_entries_) erase(std::prev(entries_.end()));
  entries_.push_front({std::string(key), answer, now + length});
  by_key_.emplace(entries_.front().key, entries_.begin());
}

void CalloutCache::erase(Entries::iterator entry) {
  by_key_.erase(entry->key);
  entries_.erase(entry);
}

}  // namespace sluice::backends
