#include "backends/dns_cache.h"

namespace sluice::backends {

namespace {

std::size_t answer_bytes(const DnsAnswer& answer) {
  std::size_t bytes = sizeof(DnsAnswer);
  for (const DnsRecord& record : answer.records) bytes += sizeof(DnsRecord) + record.text.size();
  return bytes;
}

}  // namespace

std::string question_key(std::string_view name, DnsType type) {
  std::string key(name);
  key += ' ';  // no type has one: the last blank of a key ends the name
  key += dns_type_name(type);
  return key;
}

void DnsCache::erase(Entries::iterator entry) {
  bytes_ -= entry->bytes;
  by_key_.erase(Key{entry->name, entry->type});
  entries_.erase(entry);
}

std::shared_ptr<const DnsAnswer> DnsCache::find(std::string_view name, DnsType type, Time now) {
  const auto found = by_key_.find(Key{name, type});
  if (found == by_key_.end()) return nullptr;
  const Entries::iterator entry = found->second;
  if (entry->until <= now) {
    erase(entry);
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, entry);
  return entry->answer;
}

void DnsCache::forget(std::string_view name, DnsType type) {
  const auto found = by_key_.find(Key{name, type});
  if (found != by_key_.end()) erase(found->second);
}

void DnsCache::insert(std::string_view name, DnsType type, const DnsAnswer& answer,
                      std::chrono::seconds ttl, Time now) {
  if (const auto old = by_key_.find(Key{name, type}); old != by_key_.end()) erase(old->second);
  if (max_entries_ == 0 || ttl.count() <= 0 || answer_bytes(answer) > kMaxCachedAnswerBytes) return;
  const std::size_t bytes = answer_bytes(answer) + sizeof(Entry) + name.size();
  while (!entries_.empty() &&
         (entries_.size() >= max_entries_ || bytes_ + bytes > kMaxCacheBytes)) {
    erase(std::prev(entries_.end()));
  }
  entries_.push_front(
      {std::string(name), type, std::make_shared<const DnsAnswer>(answer), now + ttl, bytes});
  by_key_.emplace(Key{entries_.front().name, type}, entries_.begin());
  bytes_ += bytes;
}

}  // namespace sluice::backends
