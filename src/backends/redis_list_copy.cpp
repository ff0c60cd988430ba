#include "backends/redis_list_copy.h"

#include <algorithm>

#include "backends/entry_order.h"

namespace sluice::backends {

std::size_t RedisListCopy::AddressHash::operator()(const IpAddress& address) const {
  const auto& bytes = address.bytes();
  return static_cast<std::size_t>(
      keyed_hash({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
}

void RedisListCopy::apply(const std::vector<ListChange>& changes) {
  for (const auto& change : changes) apply(change);
}

void RedisListCopy::apply(const ListChange& change) {
  remove(change.field);
  // Redis keeps the cap; a copy of more would be another's doing.
  if (!change.value || size_ >= 2 * kMaxListEntries) return;
  auto& list = lists_[change.field.list];
  list.values[change.field.value] = *change.value;
  ++size_;
  if (const auto& network = change.value->network) {
    auto& lengths = network->is_v4() ? list.v4 : list.v6;
    lengths[network->mapped_length()][network->address()].insert(change.field.value);
  }
}

void RedisListCopy::remove(const ListField& field) {
  const auto list = lists_.find(field.list);
  if (list == lists_.end()) return;
  const auto found = list->second.values.find(field.value);
  if (found == list->second.values.end()) return;
  if (const auto& network = found->second.network) {
    auto& lengths = network->is_v4() ? list->second.v4 : list->second.v6;
    auto& networks = lengths[network->mapped_length()];
    auto& values = networks[network->address()];
    values.erase(field.value);
    if (values.empty()) networks.erase(network->address());
    if (networks.empty()) lengths.erase(network->mapped_length());
  }
  list->second.values.erase(found);
  --size_;
  if (list->second.values.empty()) lists_.erase(list);
}

void RedisListCopy::drop_expired(TimePoint now) {
  std::vector<ListField> expired;
  for (const auto& [name, list] : lists_) {
    for (const auto& [value, known] : list.values)
      if (known.expires && *known.expires <= now) expired.push_back({name, value});
  }
  for (const auto& field : expired) remove(field);
}

bool RedisListCopy::is_live(const OneList& list, const std::string& value, TimePoint now) const {
  const auto found = list.values.find(value);
  return found != list.values.end() &&
         (!found->second.expires || now < *found->second.expires);
}

bool RedisListCopy::contains(const ListContains& op, TimePoint now) const {
  const auto found = lists_.find(op.list);
  if (found == lists_.end()) return false;
  const auto& list = found->second;
  if (is_live(list, op.value, now)) return true;
  if (!op.address) return false;
  for (const auto& [length, networks] : op.address->is_v4() ? list.v4 : list.v6) {
    const int prefix = op.address->is_v4() ? length - 96 : length;
    const auto named = networks.find(Network(*op.address, prefix).address());
    if (named == networks.end()) continue;
    if (std::any_of(named->second.begin(), named->second.end(),
                    [&](const auto& value) { return is_live(list, value, now); }))
      return true;
  }
  return false;
}

std::vector<StateEntry> RedisListCopy::entries(const std::string& filter, TimePoint now) const {
  std::vector<StateEntry> entries;
  for (const auto& [name, list] : lists_) {
    for (const auto& [value, known] : list.values) {
      if (!is_meant(filter, name, value) || (known.expires && *known.expires <= now)) continue;
      StateEntry entry{};
      entry.kind = StateEntry::Kind::List;
      entry.key = name;
      entry.name = value;
      entry.first = known.added;
      if (known.expires) entry.expires = *known.expires;
      entry.state = known.expires ? "until" : "permanent";
      entries.push_back(std::move(entry));
    }
  }
  return entries;
}

}  // namespace sluice::backends
