#include "backends/embedded_greylist.h"

#include <algorithm>

#include "backends/entry_order.h"
#include "backends/sqlite_file.h"

namespace sluice::backends {

namespace {

std::int64_t milliseconds(TimePoint t) { return t.time_since_epoch().count(); }

template <class T>
bool evict_one(RecordTable<T>& table) {
  auto* victim = table.next_to_expire();
  if (!victim) return false;
  table.erase(*victim);
  return true;
}

template <class T>
T* live(RecordTable<T>& table, std::string_view key, TimePoint now) {
  auto* found = table.find(key);
  return found && now < found->expires ? found : nullptr;
}

constexpr Duration kLastChance{1};  // an entry may still come back in this millisecond

}  // namespace

StateAnswer EmbeddedGreylist::apply(const GreylistLook& op, TimePoint now) {
  StateAnswer answer;
  if (live(passed_, op.key, now)) {
    answer.greylist = GreylistState::Passed;
    return answer;
  }
  if (!op.auto_key.empty()) {
    const auto* allowed = auto_allowed_.find(op.auto_key);
    if (allowed && now < allowed->until) {
      answer.greylist = GreylistState::AutoAllowed;
      return answer;
    }
  }
  const auto* entry = live(waiting_, op.key, now);
  const auto age = entry ? now - entry->first : Duration{0};
  if (!entry || age > op.retry_within) {
    answer.wait = op.delay;
  } else if (age < op.delay) {
    answer.greylist = GreylistState::Waiting;
    answer.wait = op.delay - age;
  } else {
    answer.greylist = GreylistState::Ready;
  }
  return answer;
}

StateAnswer EmbeddedGreylist::apply(const GreylistRecord& op, TimePoint now) {
  if (auto* passed = passed_.find(op.key)) {
    if (now < passed->expires) return {};
    passed_.erase(*passed, false);  // its row is replaced
  }
  auto* entry = waiting_.find(op.key);
  const bool goes_on = entry && now < entry->expires && now - entry->first <= op.retry_within;
  if (!entry) {
    if (waiting_.size() >= caps_.first_seen) evict_first_seen();
    entry = &waiting_.add(op.key);
  }
  if (!goes_on) entry->first = now;
  entry->name = op.name;
  waiting_.expire_at(*entry, entry->first + op.retry_within + kLastChance);
  waiting_.mark(*entry);
  return {};
}

StateAnswer EmbeddedGreylist::apply(const GreylistPromote& op, TimePoint now) {
  auto* entry = passed_.find(op.key);
  auto first = entry && now < entry->expires ? entry->first : now;
  const auto passed_until = entry ? entry->expires : now;
  if (auto* waiting = waiting_.find(op.key)) {
    if (now < waiting->expires) first = waiting->first;
    waiting_.erase(*waiting, false);  // its row is replaced
  }
  if (!entry) {
    if (passed_.size() >= caps_.passed) evict_passed();
    entry = &passed_.add(op.key);
    entry->passed = true;
  }
  entry->first = first;
  entry->name = op.name;
  passed_.expire_at(*entry, std::max(passed_until, now + op.remember));
  passed_.mark(*entry);
  if (!op.auto_key.empty() && op.auto_after > 0) count_for(op, now + op.remember, now);
  return {};
}

void EmbeddedGreylist::count_for(const GreylistPromote& op, TimePoint pass_ends, TimePoint now) {
  auto* allowed = auto_allowed_.find(op.auto_key);
  if (!allowed) {
    if (auto_allowed_.size() >= caps_.auto_allowed) evict_one(auto_allowed_);
    allowed = &auto_allowed_.add(op.auto_key);
  }
  auto& entries = allowed->came_back;
  const auto known = std::find_if(entries.begin(), entries.end(),
                                  [&](const auto& e) { return e.first == op.key; });
  if (known != entries.end())
    known->second = pass_ends;
  else
    entries.emplace_back(op.key, pass_ends);
  std::erase_if(entries, [&](const auto& e) { return e.second <= now; });
  const auto enough = static_cast<std::size_t>(std::min(op.auto_after, kMaxAutoAfter));
  if (entries.size() >= enough) allowed->until = now + op.auto_for;
  const auto sooner = [](const auto& a, const auto& b) { return a.second < b.second; };
  if (entries.size() > enough)
    entries.erase(std::min_element(entries.begin(), entries.end(), sooner));
  const auto last = std::max_element(entries.begin(), entries.end(), sooner);
  auto_allowed_.expire_at(*allowed,
                          std::max(allowed->until, last == entries.end() ? now : last->second));
  auto_allowed_.mark(*allowed);
}

void EmbeddedGreylist::sweep(TimePoint now, std::size_t most) {
  waiting_.sweep(now, most, [](GreylistRow&) {});
  passed_.sweep(now, most, [](GreylistRow&) {});
  auto_allowed_.sweep(now, most, [](AutoAllowRow&) {});
}

bool EmbeddedGreylist::evict_first_seen() { return evict_one(waiting_); }
bool EmbeddedGreylist::evict_passed() { return evict_one(passed_); }

// To and from disk.

void GreylistRow::store(std::vector<StoredRow>& rows, bool) {
  rows.push_back(
      {StoredRow::Change::Insert,
       Table::Greylist,
       {Blob{*key}, name, std::int64_t{passed}, milliseconds(first), milliseconds(expires)}});
}

void GreylistRow::erase_stored(const std::string& key, std::vector<StoredRow>& rows) {
  rows.push_back({StoredRow::Change::Erase, Table::Greylist, {Blob{key}}});
}

// One entry a line: the end of its pass, the length of its key, the key.
void AutoAllowRow::store(std::vector<StoredRow>& rows, bool) {
  std::string entries;
  for (const auto& [entry, ends] : came_back)
    entries += std::to_string(milliseconds(ends)) + ' ' + std::to_string(entry.size()) + ' ' +
               entry + '\n';
  rows.push_back({StoredRow::Change::Insert,
                  Table::AutoAllowed,
                  {Blob{*key}, milliseconds(until), Blob{entries}, milliseconds(expires)}});
}

void AutoAllowRow::erase_stored(const std::string& key, std::vector<StoredRow>& rows) {
  rows.push_back({StoredRow::Change::Erase, Table::AutoAllowed, {Blob{key}}});
}

void EmbeddedGreylist::load_entry(const RowReader& row) {
  const bool is_passed = row.integer(2) != 0;
  auto& table = is_passed ? passed_ : waiting_;
  auto& entry = table.find_or_add(std::string(row.bytes(0)));
  entry.name = row.bytes(1);
  entry.passed = is_passed;
  entry.first = row.time(3);
  table.expire_at(entry, row.time(4));
}

void EmbeddedGreylist::load_auto_allowed(const RowReader& row) {
  auto& entry = auto_allowed_.find_or_add(std::string(row.bytes(0)));
  entry.until = row.time(1);
  auto text = row.bytes(2);
  const auto take_number = [&]() -> std::int64_t {
    const auto blank = text.find(' ');
    if (blank == std::string_view::npos) return -1;
    const auto number = std::atoll(std::string(text.substr(0, blank)).c_str());
    text.remove_prefix(blank + 1);
    return number;
  };
  while (!text.empty() && entry.came_back.size() < static_cast<std::size_t>(kMaxAutoAfter)) {
    const auto ends = take_number();
    const auto size = take_number();
    if (size < 0 || static_cast<std::size_t>(size) >= text.size()) break;
    constexpr std::int64_t kFar = std::int64_t{1} << 55;
    entry.came_back.emplace_back(text.substr(0, static_cast<std::size_t>(size)),
                                 TimePoint{Duration{std::clamp(ends, -kFar, kFar)}});
    text.remove_prefix(static_cast<std::size_t>(size) + 1);
  }
  auto_allowed_.expire_at(entry, row.time(3));
}

// The administrator.

void EmbeddedGreylist::show(std::size_t part, const std::string& filter, TimePoint now,
                            std::vector<StateEntry>& entries) {
  const auto show_entry = [&](GreylistRow& row) {
    if (now >= row.expires || !is_meant(filter, *row.key, row.name)) return;
    const auto expires = row.passed ? row.expires : row.expires - kLastChance;
    StateEntry entry{};
    entry.kind = StateEntry::Kind::Greylist;
    entry.key = *row.key;
    entry.name = row.name;
    entry.first = row.first;
    entry.expires = expires;
    entry.state = row.passed ? "passed" : "waiting";
    entries.push_back(std::move(entry));
  };
  waiting_.each(part, show_entry);
  passed_.each(part, show_entry);
  auto_allowed_.each(part, [&](AutoAllowRow& row) {
    if (now >= row.until || !is_meant(filter, *row.key, "")) return;
    StateEntry entry{};
    entry.kind = StateEntry::Kind::Greylist;
    entry.key = *row.key;
    entry.expires = row.until;
    entry.state = "allowed";
    entries.push_back(std::move(entry));
  });
}

std::size_t EmbeddedGreylist::forget(std::size_t part, const std::string& filter, TimePoint now) {
  std::vector<StateEntry> meant;
  show(part, filter, now, meant);
  for (const auto& entry : meant) {
    if (entry.state == "allowed") {
      auto_allowed_.erase(*auto_allowed_.find(entry.key));
      continue;
    }
    auto& table = entry.state == "passed" ? passed_ : waiting_;
    table.erase(*table.find(entry.key));
  }
  return meant.size();
}

}  // namespace sluice::backends
