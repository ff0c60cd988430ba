#include "backends/reference_store.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "backends/entry_order.h"
#include "backends/reference_limits.h"
#include "backends/steady_time.h"

namespace sluice::backends {

namespace {

struct GreylistEntry {
  std::string name;
  bool passed = false;
  TimePoint first{};                     // contact
  TimePoint expires = TimePoint::min();  // waiting: up to and with it; passed: before it
  bool is_waiting(TimePoint now) const { return !passed && now <= expires; }
  bool is_passed(TimePoint now) const { return passed && now < expires; }
};

struct AutoEntry {
  std::map<std::string, TimePoint> came_back;  // entry, end of its pass
  TimePoint until = TimePoint::min();
  bool is_allowed(TimePoint now) const { return now < until; }
  std::size_t count(TimePoint now) const {
    return static_cast<std::size_t>(std::count_if(
        came_back.begin(), came_back.end(), [&](const auto& entry) { return now < entry.second; }));
  }
};

struct ListItem {
  std::optional<Network> network;
  TimePoint added;
  std::optional<TimePoint> expires;
  bool is_live(TimePoint now) const { return !expires || now < *expires; }
};

struct SeenItem {
  TimePoint first, last, expires;
};

StateEntry entry_of(StateEntry::Kind kind, const std::string& key, const std::string& name) {
  StateEntry entry{};
  entry.kind = kind;
  entry.key = key;
  entry.name = name;
  return entry;
}

}  // namespace

struct ReferenceStore::State {
  explicit State(const Clock& c) : clock(c) {}

  const Clock& clock;
  std::mutex mutex;
  SteadyTime time;
  ReferenceLimits limits;
  std::map<std::string, GreylistEntry> greylist;
  std::map<std::string, AutoEntry> auto_allowed;
  std::map<std::pair<std::string, std::string>, ListItem> lists;  // list, value
  std::map<std::string, SeenItem> seen;

  TimePoint now() { return time.advance(clock.now()); }

  StateAnswer apply(const Reserve& op, TimePoint t) { return limits.apply(op, t); }
  StateAnswer apply(const Peek& op, TimePoint t) { return limits.apply(op, t); }
  StateAnswer apply(const Commit& op, TimePoint t) { return limits.apply(op, t); }
  StateAnswer apply(const Release& op, TimePoint t) { return limits.apply(op, t); }
  StateAnswer apply(const Renew& op, TimePoint t) { return limits.apply(op, t); }
  StateAnswer apply(const GreylistLook& op, TimePoint t);
  StateAnswer apply(const GreylistRecord& op, TimePoint t);
  StateAnswer apply(const GreylistPromote& op, TimePoint t);
  StateAnswer apply(const ListContains& op, TimePoint t);
  StateAnswer apply(const ListAdd& op, TimePoint t);
  StateAnswer apply(const ListRemove& op, TimePoint t);
  StateAnswer apply(const Seen& op, TimePoint t);
  StateAnswer apply(const SeenRecord& op, TimePoint t);

  std::vector<StateEntry> greylist_entries(const std::string& filter, TimePoint t) const;
  std::vector<StateEntry> list_entries(const std::string& filter, TimePoint t) const;
  std::vector<StateEntry> seen_entries(const std::string& filter, TimePoint t) const;
  std::vector<StateEntry> entries(StateEntry::Kind kind, const std::string& filter, TimePoint t);
};

// Greylist.

StateAnswer ReferenceStore::State::apply(const GreylistLook& op, TimePoint t) {
  StateAnswer answer;
  const auto& entry = greylist[op.key];
  const auto& allowed = auto_allowed[op.auto_key];
  const auto age = t - entry.first;
  if (entry.is_passed(t)) {
    answer.greylist = GreylistState::Passed;
  } else if (!op.auto_key.empty() && allowed.is_allowed(t)) {
    answer.greylist = GreylistState::AutoAllowed;
  } else if (!entry.is_waiting(t) || age > op.retry_within) {
    answer.greylist = GreylistState::Unknown;
    answer.wait = op.delay;
  } else if (age < op.delay) {
    answer.greylist = GreylistState::Waiting;
    answer.wait = op.delay - age;
  } else {
    answer.greylist = GreylistState::Ready;
  }
  return answer;
}

StateAnswer ReferenceStore::State::apply(const GreylistRecord& op, TimePoint t) {
  auto& entry = greylist[op.key];
  if (entry.is_passed(t)) return {};
  const bool goes_on = entry.is_waiting(t) && t - entry.first <= op.retry_within;
  if (!goes_on) entry.first = t;
  entry.name = op.name;
  entry.passed = false;
  entry.expires = entry.first + op.retry_within;
  return {};
}

StateAnswer ReferenceStore::State::apply(const GreylistPromote& op, TimePoint t) {
  auto& entry = greylist[op.key];
  const auto passed_until = entry.is_passed(t) ? entry.expires : t;
  if (!entry.is_waiting(t) && !entry.is_passed(t)) entry.first = t;
  entry.name = op.name;
  entry.passed = true;
  entry.expires = std::max(passed_until, t + op.remember);
  if (op.auto_key.empty() || op.auto_after <= 0) return {};
  auto& allowed = auto_allowed[op.auto_key];
  allowed.came_back[op.key] = t + op.remember;
  const auto enough = static_cast<std::size_t>(std::min(op.auto_after, kMaxAutoAfter));
  if (allowed.count(t) >= enough) allowed.until = t + op.auto_for;
  return {};
}

std::vector<StateEntry> ReferenceStore::State::greylist_entries(const std::string& filter,
                                                                TimePoint t) const {
  std::vector<StateEntry> entries;
  for (const auto& [key, item] : greylist) {
    if (!is_meant(filter, key, item.name) || !(item.is_waiting(t) || item.is_passed(t))) continue;
    auto entry = entry_of(StateEntry::Kind::Greylist, key, item.name);
    entry.first = item.first;
    entry.expires = item.expires;
    entry.state = item.passed ? "passed" : "waiting";
    entries.push_back(std::move(entry));
  }
  for (const auto& [key, item] : auto_allowed) {
    if (!is_meant(filter, key, "") || !item.is_allowed(t)) continue;
    auto entry = entry_of(StateEntry::Kind::Greylist, key, "");
    entry.expires = item.until;
    entry.state = "allowed";
    entries.push_back(std::move(entry));
  }
  return entries;
}

// Lists.

StateAnswer ReferenceStore::State::apply(const ListContains& op, TimePoint t) {
  StateAnswer answer;
  for (const auto& [name, item] : lists) {
    if (name.first != op.list || !item.is_live(t)) continue;
    const bool is_within = op.address && item.network && item.network->contains(*op.address);
    if (name.second == op.value || is_within) answer.contained = true;
  }
  return answer;
}

StateAnswer ReferenceStore::State::apply(const ListAdd& op, TimePoint t) {
  auto& item = lists[{op.list, op.value}];
  item = ListItem{op.network, t, {}};
  if (op.keep) item.expires = t + *op.keep;
  return {};
}

StateAnswer ReferenceStore::State::apply(const ListRemove& op, TimePoint) {
  lists.erase({op.list, op.value});
  return {};
}

std::vector<StateEntry> ReferenceStore::State::list_entries(const std::string& filter,
                                                            TimePoint t) const {
  std::vector<StateEntry> entries;
  for (const auto& [name, item] : lists) {
    if (!is_meant(filter, name.first, name.second) || !item.is_live(t)) continue;
    auto entry = entry_of(StateEntry::Kind::List, name.first, name.second);
    entry.first = item.added;
    if (item.expires) entry.expires = *item.expires;
    entry.state = item.expires ? "until" : "permanent";
    entries.push_back(std::move(entry));
  }
  return entries;
}

// Values seen.

StateAnswer ReferenceStore::State::apply(const Seen& op, TimePoint t) {
  StateAnswer answer;
  const auto found = seen.find(op.key);
  if (found == seen.end() || t >= found->second.expires) return answer;
  answer.first_seen = time.on_clock(found->second.first);
  answer.last_seen = time.on_clock(found->second.last);
  return answer;
}

StateAnswer ReferenceStore::State::apply(const SeenRecord& op, TimePoint t) {
  const auto found = seen.find(op.key);
  const bool is_known = found != seen.end() && t < found->second.expires;
  seen[op.key] = SeenItem{is_known ? found->second.first : t, t, t + op.keep};
  return {};
}

std::vector<StateEntry> ReferenceStore::State::seen_entries(const std::string& filter,
                                                            TimePoint t) const {
  std::vector<StateEntry> entries;
  for (const auto& [key, item] : seen) {
    if (!is_meant(filter, key, "") || t >= item.expires) continue;
    auto entry = entry_of(StateEntry::Kind::Seen, key, "");
    entry.first = item.first;
    entry.expires = item.expires;
    entries.push_back(std::move(entry));
  }
  return entries;
}

// Times are still those of the store.
std::vector<StateEntry> ReferenceStore::State::entries(StateEntry::Kind kind,
                                                       const std::string& filter, TimePoint t) {
  switch (kind) {
    case StateEntry::Kind::Limit:
      return limits.entries(filter, t);
    case StateEntry::Kind::Greylist:
      return greylist_entries(filter, t);
    case StateEntry::Kind::List:
      return list_entries(filter, t);
    case StateEntry::Kind::Seen:
      return seen_entries(filter, t);
  }
  return {};
}

// The store.

ReferenceStore::ReferenceStore(const Clock& clock) : state_(std::make_unique<State>(clock)) {}
ReferenceStore::~ReferenceStore() = default;

void ReferenceStore::submit(std::vector<StateOp> ops, StateDone done) {
  std::vector<StateAnswer> answers;
  {
    const std::lock_guard lock(state_->mutex);
    const auto now = state_->now();
    for (const auto& op : ops)
      answers.push_back(std::visit([&](const auto& o) { return state_->apply(o, now); }, op));
  }
  done(std::move(answers));
}

std::vector<StateEntry> ReferenceStore::show(const StateQuery& query) {
  const std::lock_guard lock(state_->mutex);
  auto entries = state_->entries(query.kind, query.filter, state_->now());
  for (auto& entry : entries) {
    if (entry.first != TimePoint{}) entry.first = state_->time.on_clock(entry.first);
    if (entry.expires != TimePoint{}) entry.expires = state_->time.on_clock(entry.expires);
  }
  order_entries(entries, query);
  return entries;
}

std::size_t ReferenceStore::forget(StateEntry::Kind kind, const std::string& filter) {
  const std::lock_guard lock(state_->mutex);
  const auto now = state_->now();
  if (kind == StateEntry::Kind::Limit) return state_->limits.forget(filter, now);
  const auto entries = state_->entries(kind, filter, now);
  for (const auto& entry : entries) {
    if (kind == StateEntry::Kind::List) state_->lists.erase({entry.key, entry.name});
    if (kind == StateEntry::Kind::Seen) state_->seen.erase(entry.key);
    if (kind == StateEntry::Kind::Greylist && entry.state == "allowed")
      state_->auto_allowed.erase(entry.key);
    else if (kind == StateEntry::Kind::Greylist)
      state_->greylist.erase(entry.key);
  }
  return entries.size();
}

std::size_t ReferenceStore::grant(const std::string& filter, std::int64_t extra, Duration keep) {
  const std::lock_guard lock(state_->mutex);
  const auto now = state_->now();
  return state_->limits.grant(filter, extra, now + keep, now);
}

void ReferenceStore::restart() {
  const std::lock_guard lock(state_->mutex);
  state_->limits.restart();
}

StateHealth ReferenceStore::health() const {
  StateHealth health;
  health.what = "in memory, nothing is kept";
  return health;
}

}  // namespace sluice::backends
