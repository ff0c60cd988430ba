#include "backends/embedded_lists.h"

#include <algorithm>
#include <cstring>

#include "backends/entry_order.h"
#include "backends/sqlite_file.h"

namespace sluice::backends {

namespace {

std::int64_t milliseconds(TimePoint t) { return t.time_since_epoch().count(); }

std::string key_of(const std::string& list, const std::string& value) {
  std::string key;
  key.reserve(list.size() + 1 + value.size());
  return key.append(list).append(1, '\0').append(value);
}

IpAddress masked(const IpAddress& address, int length) {
  auto bytes = address.bytes();
  for (int i = 0; i < 16; ++i) {
    const int kept = std::clamp(length - i * 8, 0, 8);
    const auto mask = static_cast<std::uint8_t>(0xff00 >> kept);
    bytes[static_cast<std::size_t>(i)] &= mask;
  }
  return IpAddress::from_bytes(bytes);
}

}  // namespace

std::size_t EmbeddedLists::AddressHash::operator()(const IpAddress& address) const {
  const auto& bytes = address.bytes();
  return keyed_hash({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

StateAnswer EmbeddedLists::apply(const ListContains& op, TimePoint now) {
  StateAnswer answer;
  const auto is_live = [&](const ListRow* row) {
    return row->is_permanent() || now < row->expires;
  };
  const auto* row = rows_.find(key_of(op.list, op.value));
  answer.contained = row && is_live(row);
  if (answer.contained || !op.address) return answer;
  const auto index = networks_.find(op.list);
  if (index == networks_.end()) return answer;
  for (const auto& [length, networks] : op.address->is_v4() ? index->second.v4 : index->second.v6) {
    const auto found = networks.find(masked(*op.address, length));
    if (found == networks.end()) continue;
    if (std::any_of(found->second.begin(), found->second.end(), is_live)) {
      answer.contained = true;
      return answer;
    }
  }
  return answer;
}

StateAnswer EmbeddedLists::apply(const ListAdd& op, TimePoint now) {
  const auto key = key_of(op.list, op.value);
  auto* row = rows_.find(key);
  if (!row) {
    if (rows_.size() >= most_ && !evict_one()) {
      StateAnswer answer;
      answer.available = false;
      return answer;
    }
    row = &rows_.add(key);
    row->list_size = op.list.size();
  }
  unindex(*row);
  index(*row, op.network);
  row->added = now;
  rows_.expire_at(*row, op.keep ? now + *op.keep : TimePoint::max());
  rows_.mark(*row);
  return {};
}

StateAnswer EmbeddedLists::apply(const ListRemove& op, TimePoint) {
  if (auto* row = rows_.find(key_of(op.list, op.value))) {
    unindex(*row);
    rows_.erase(*row);
  }
  return {};
}

void EmbeddedLists::index(ListRow& row, const std::optional<Network>& network) {
  row.network = network;
  if (!network) return;
  auto& index = networks_[row.list()];
  auto& lengths = network->is_v4() ? index.v4 : index.v6;
  lengths[network->mapped_length()][network->address()].push_back(&row);
}

void EmbeddedLists::unindex(ListRow& row) {
  if (!row.network) return;
  const auto index = networks_.find(row.list());
  auto& lengths = row.network->is_v4() ? index->second.v4 : index->second.v6;
  const auto networks = lengths.find(row.network->mapped_length());
  const auto place = networks->second.find(row.network->address());
  std::erase(place->second, &row);
  if (place->second.empty()) networks->second.erase(place);
  if (networks->second.empty()) lengths.erase(networks);
  if (index->second.v4.empty() && index->second.v6.empty()) networks_.erase(index);
  row.network.reset();
}

bool EmbeddedLists::evict_one() {
  auto* victim = rows_.next_to_expire();
  if (!victim || victim->is_permanent()) return false;
  unindex(*victim);
  rows_.erase(*victim);
  return true;
}

void EmbeddedLists::sweep(TimePoint now, std::size_t most) {
  rows_.sweep(now, most, [&](ListRow& row) { unindex(row); });
}

void ListRow::store(std::vector<StoredRow>& rows, bool) {
  rows.push_back({StoredRow::Change::Insert,
                  Table::ListEntries,
                  {list(), value(), network ? Field{network->to_string()} : Field{},
                   milliseconds(added), is_permanent() ? Field{} : Field{milliseconds(expires)}}});
}

void ListRow::erase_stored(const std::string& key, std::vector<StoredRow>& rows) {
  const auto end = key.find('\0');
  rows.push_back(
      {StoredRow::Change::Erase, Table::ListEntries, {key.substr(0, end), key.substr(end + 1)}});
}

void EmbeddedLists::load(const RowReader& row) {
  const std::string list(row.bytes(0)), value(row.bytes(1));
  auto& entry = rows_.find_or_add(key_of(list, value));
  entry.list_size = list.size();
  index(entry, row.is_null(2) ? std::nullopt : Network::parse(row.bytes(2)));
  entry.added = row.time(3);
  rows_.expire_at(entry, row.is_null(4) ? TimePoint::max() : row.time(4));
}

void EmbeddedLists::show(std::size_t part, const std::string& filter, TimePoint now,
                         std::vector<StateEntry>& entries) {
  rows_.each(part, [&](ListRow& row) {
    if (!row.is_permanent() && now >= row.expires) return;
    StateEntry entry{};
    entry.kind = StateEntry::Kind::List;
    entry.key = row.list();
    entry.name = row.value();
    if (!is_meant(filter, entry.key, entry.name)) return;
    entry.first = row.added;
    if (!row.is_permanent()) entry.expires = row.expires;
    entry.state = row.is_permanent() ? "permanent" : "until";
    entries.push_back(std::move(entry));
  });
}

std::size_t EmbeddedLists::forget(std::size_t part, const std::string& filter, TimePoint now) {
  std::vector<StateEntry> meant;
  show(part, filter, now, meant);
  for (const auto& entry : meant) apply(ListRemove{entry.key, entry.name}, now);
  return meant.size();
}

// Values seen.

StateAnswer EmbeddedSeen::apply(const Seen& op, TimePoint now) {
  StateAnswer answer;
  const auto* row = rows_.find(op.key);
  if (!row || now >= row->expires) return answer;
  answer.first_seen = row->first;
  answer.last_seen = row->last;
  return answer;
}

StateAnswer EmbeddedSeen::apply(const SeenRecord& op, TimePoint now) {
  auto* row = rows_.find(op.key);
  const bool is_known = row && now < row->expires;
  if (!row) {
    if (rows_.size() >= most_) evict_one();
    row = &rows_.add(op.key);
  }
  if (!is_known) row->first = now;
  row->last = now;
  rows_.expire_at(*row, now + op.keep);
  rows_.mark(*row);
  return {};
}

void EmbeddedSeen::sweep(TimePoint now, std::size_t most) {
  rows_.sweep(now, most, [](SeenRow&) {});
}

bool EmbeddedSeen::evict_one() {
  auto* victim = rows_.next_to_expire();
  if (!victim) return false;
  rows_.erase(*victim);
  return true;
}

void SeenRow::store(std::vector<StoredRow>& rows, bool) {
  rows.push_back({StoredRow::Change::Insert,
                  Table::Seen,
                  {Blob{*key}, milliseconds(first), milliseconds(last), milliseconds(expires)}});
}

void SeenRow::erase_stored(const std::string& key, std::vector<StoredRow>& rows) {
  rows.push_back({StoredRow::Change::Erase, Table::Seen, {Blob{key}}});
}

void EmbeddedSeen::load(const RowReader& row) {
  auto& entry = rows_.find_or_add(std::string(row.bytes(0)));
  entry.first = row.time(1);
  entry.last = row.time(2);
  rows_.expire_at(entry, row.time(3));
}

void EmbeddedSeen::show(std::size_t part, const std::string& filter, TimePoint now,
                        std::vector<StateEntry>& entries) {
  rows_.each(part, [&](SeenRow& row) {
    if (now >= row.expires || !is_meant(filter, *row.key, "")) return;
    StateEntry entry{};
    entry.kind = StateEntry::Kind::Seen;
    entry.key = *row.key;
    entry.first = row.first;
    entry.expires = row.expires;
    entries.push_back(std::move(entry));
  });
}

std::size_t EmbeddedSeen::forget(std::size_t part, const std::string& filter, TimePoint now) {
  std::vector<StateEntry> meant;
  show(part, filter, now, meant);
  for (const auto& entry : meant) rows_.erase(*rows_.find(entry.key));
  return meant.size();
}

}  // namespace sluice::backends
