#include "policy/list_pool.h"

#include "base/siphash.h"

namespace sluice::policy {
namespace {

constexpr SipKey kHigh{0x736c7569'63652d31, 0x6c697374'732d6869};
constexpr SipKey kLow{0x736c7569'63652d32, 0x6c697374'732d6c6f};

std::uint64_t mix(std::uint64_t before, const SipKey& key, std::string_view text) {
  return siphash13({key.k0 ^ before, key.k1}, text);
}

// Entries of lists that no program uses any more.
template <class Map>
void drop_expired(Map& map) {
  std::erase_if(map, [](const auto& entry) { return entry.second.expired(); });
}

template <class Map>
auto found_in(Map& map, const ContentKey& key) {
  const auto at = map.find(key);
  return at == map.end() ? typename Map::mapped_type().lock() : at->second.lock();
}

}  // namespace

void ContentHash::add(std::string_view text) {
  const std::uint64_t high = key_.high ^ text.size();
  key_.high = mix(high, kHigh, text);
  key_.low = mix(key_.low ^ text.size(), kLow, text);
}

StaticListPtr ListPool::find_list(const ContentKey& key) {
  const std::lock_guard lock(mutex_);
  return found_in(lists_, key);
}

TablePtr ListPool::find_table(const ContentKey& key) {
  const std::lock_guard lock(mutex_);
  return found_in(tables_, key);
}

void ListPool::keep(const ContentKey& key, const StaticListPtr& list) {
  const std::lock_guard lock(mutex_);
  drop_expired(lists_);
  lists_[key] = list;
}

void ListPool::keep(const ContentKey& key, const TablePtr& table) {
  const std::lock_guard lock(mutex_);
  drop_expired(tables_);
  tables_[key] = table;
}

}  // namespace sluice::policy
