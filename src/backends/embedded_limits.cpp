#include "backends/embedded_limits.h"

#include <algorithm>
#include <limits>

#include "backends/entry_order.h"
#include "backends/limit_decision.h"
#include "backends/sqlite_file.h"

namespace sluice::backends {

namespace {

std::int64_t shown(WideCount n) {
  return static_cast<std::int64_t>(
      std::min<WideCount>(n, std::numeric_limits<std::int64_t>::max()));
}

StateAnswer not_available() {
  StateAnswer answer;
  answer.available = false;
  return answer;
}

const char* name_of(SeriesKind kind) {
  constexpr const char* kNames[] = {"window", "distinct", "bucket"};
  return kNames[static_cast<std::size_t>(kind)];
}

template <class Op>
bool is_unlimited(const Op& op) {
  return op.windows.empty() && !op.bucket;
}

// Periods come and go with policies. Holds know their series by number: while there are any, none
// moves.
void drop_unused_series(LimitRecord& record) {
  if (record.holds && !record.holds->empty()) return;
  std::erase_if(record.series, [](const LimitSeries& series) { return !series.has_use(); });
}

// The series that an operation charges, one bit for each; those that are missing are added. 0: too
// many.
template <class Op>
std::uint64_t charged_series(LimitRecord& record, const Op& op) {
  std::uint64_t mask = 0;
  const auto charge = [&](SeriesKind kind, Duration period) {
    auto i = find_series(record, kind, limited_period(period));
    if (i == kNoSeries) {
      if (record.series.size() == kMaxSeries) drop_unused_series(record);
      if (record.series.size() == kMaxSeries) return false;
      i = record.series.size();
      record.series.emplace_back(kind, limited_period(period));
    }
    mask |= std::uint64_t{1} << i;
    return true;
  };
  const auto kind = op.distinct ? SeriesKind::Values : SeriesKind::Units;
  for (const auto& window : op.windows) {
    if (!charge(kind, window.period)) return 0;
  }
  if (op.bucket && !charge(SeriesKind::Bucket, op.bucket->refill.period)) return 0;
  return mask;
}

template <class F>
void each_series(LimitRecord& record, std::uint64_t mask, F&& take) {
  for (std::size_t i = 0; i < record.series.size(); ++i) {
    if (mask >> i & 1) take(record.series[i]);
  }
}

std::size_t values_of(const LimitRecord& record) {
  std::size_t values = 0;
  for (const auto& series : record.series) values += series.values();
  return values;
}

}  // namespace

// From disk.

void EmbeddedLimits::load_series(const RowReader& row) {
  const auto kind = row.integer(1);
  if (kind < 0 || kind > static_cast<std::int64_t>(SeriesKind::Bucket)) return;
  auto& record = records_.find_or_add(std::string(row.bytes(0)));
  record.name = row.bytes(3);
  record.extra = limited_units(row.integer(5));
  record.extra_until = row.time(6);
  if (record.series.size() == kMaxSeries) return;
  record.series.emplace_back(static_cast<SeriesKind>(kind),
                             limited_period(Duration{row.integer(2)}));
  record.series.back().load(row.bytes(4));
}

void EmbeddedLimits::load_value(const RowReader& row) {
  auto* record = records_.find(row.bytes(0));
  if (!record) return;
  const auto i = find_series(*record, SeriesKind::Values, limited_period(Duration{row.integer(1)}));
  if (i != kNoSeries) record->series[i].load_value(std::string(row.bytes(2)), row.integer(3));
}

void EmbeddedLimits::loaded() {
  for (std::size_t part = 0; part < ChangeSource::kParts; ++part) {
    records_.each(part, [&](LimitRecord& record) {
      record.values = values_of(record);
      values_ += record.values;
      set_expiry(record);
    });
  }
}

// Keeping records in order.

void EmbeddedLimits::count_values(LimitRecord& record) {
  const auto values = values_of(record);
  values_ = values_ - record.values + values;
  record.values = values;
}

void EmbeddedLimits::forget_counts(LimitRecord& record) {
  values_ -= record.values;
  if (record.holds) reservations_ -= record.holds->size();
}

void EmbeddedLimits::refresh(LimitRecord& record, TimePoint now) {
  if (record.next_lease <= now) {
    record.next_lease = TimePoint::max();
    for (auto it = record.holds->begin(); it != record.holds->end();) {
      if (it->second.lease <= now) {
        let_go(record, it->second);
        const auto over = it++;
        keep_spare(record.holds->extract(over));
        --reservations_;
      } else {
        record.next_lease = std::min(record.next_lease, it->second.lease);
        ++it;
      }
    }
  }
  for (auto& series : record.series) series.refresh(now);
  if (record.values > 0) count_values(record);
}

void EmbeddedLimits::set_expiry(LimitRecord& record) {
  auto end = record.extra > 0 ? record.extra_until : TimePoint::min();
  for (const auto& series : record.series) end = std::max(end, series.last_end());
  if (record.holds && !record.holds->empty()) end = std::max(end, record.last_lease);
  records_.expire_at(record, end);
}

LimitRecord* EmbeddedLimits::current(const std::string& key, std::uint64_t hash, TimePoint now) {
  auto* record = records_.find(key, hash);
  if (record) refresh(*record, now);
  return record;
}

LimitRecord& EmbeddedLimits::new_record(const std::string& key, TimePoint now) {
  if (records_.size() >= caps_.limits) evict_one(now);
  return records_.add(key);
}

void EmbeddedLimits::sweep(TimePoint now, std::size_t most) {
  records_.sweep(now, most, [&](LimitRecord& record) { forget_counts(record); });
}

// What is reserved belongs to sessions that rely on it: such limits go last.
bool EmbeddedLimits::evict_one(TimePoint now) {
  constexpr std::size_t kLookAt = 64;
  auto* victim = records_.next_to_expire();
  if (!victim) return false;
  records_.each_soon_to_expire(kLookAt, [&](LimitRecord& record) {
    refresh(record, now);
    const bool holds = record.holds && !record.holds->empty();
    if (!holds) victim = &record;
    return holds;
  });
  forget_counts(*victim);
  records_.erase(*victim);
  return true;
}

// Decisions.

StateAnswer EmbeddedLimits::apply(const Reserve& op, TimePoint now) {
  if (op.windows.size() > kMaxWindows) return not_available();
  const auto hash = keyed_hash(op.key);
  auto* record = current(op.key, hash, now);
  if (record && record->holds) {
    const auto held = record->holds->find(op.id);
    if (held != record->holds->end()) return held->second.answer;
  }
  const auto answer = decide(record, Demand(op), now);
  const bool holds = (answer.granted || op.even_if_exceeded) && !is_unlimited(op);
  if (!holds || settled_.contains(settled_id(op.id, hash), now)) return answer;
  if (reservations_ >= caps_.reservations) return not_available();
  return hold(record ? *record : new_record(op.key, now), op, answer, now);
}

StateAnswer EmbeddedLimits::apply(const Peek& op, TimePoint now) {
  if (op.windows.size() > kMaxWindows) return not_available();
  return decide(current(op.key, keyed_hash(op.key), now), Demand(op), now);
}

StateAnswer EmbeddedLimits::apply(const Commit& op, TimePoint now) { return use(op, now); }

StateAnswer EmbeddedLimits::commit(const Reserve& reserved, TimePoint now) {
  return use(reserved, now);
}

template <class Op>
StateAnswer EmbeddedLimits::use(const Op& op, TimePoint now) {
  if (op.windows.size() > kMaxWindows) return not_available();
  const auto hash = keyed_hash(op.key);
  const auto id = settled_id(op.id, hash);
  if (!settled_.insert(id, now)) return {};
  auto* record = current(op.key, hash, now);
  if (record) drop_hold(*record, op.id);
  if (is_unlimited(op)) return {};
  if (!record) record = &new_record(op.key, now);
  const auto mask = charged_series(*record, op);
  if (mask == 0) return not_available();
  const auto n = limited_units(op.n);
  each_series(*record, mask, [&](LimitSeries& series) {
    if (series.kind() == SeriesKind::Units) series.add_units(n, now);
    if (series.kind() == SeriesKind::Bucket) series.add_tokens(n, op.bucket->refill, now);
    if (series.kind() == SeriesKind::Values)
      series.add_value(*op.distinct, values_ < caps_.values, now);
  });
  if (op.distinct) count_values(*record);
  record->name = op.name;
  set_expiry(*record);
  records_.mark(*record);
  return {};
}

StateAnswer EmbeddedLimits::apply(const Release& op, TimePoint now) {
  const auto hash = keyed_hash(op.key);
  if (!settled_.insert(settled_id(op.id, hash), now)) return {};
  if (auto* record = current(op.key, hash, now)) drop_hold(*record, op.id);
  return {};
}

StateAnswer EmbeddedLimits::apply(const Renew& op, TimePoint now) {
  StateAnswer answer;
  answer.granted = false;
  auto* record = current(op.key, keyed_hash(op.key), now);
  if (!record || !record->holds) return answer;
  const auto held = record->holds->find(op.id);
  if (held == record->holds->end()) return answer;
  answer.granted = true;
  held->second.lease = now + kReservationLease;
  record->last_lease = held->second.lease;
  records_.expire_at(*record, std::max(record->expires, held->second.lease));
  return answer;
}

// Reservations.

StateAnswer EmbeddedLimits::hold(LimitRecord& record, const Reserve& op, const StateAnswer& answer,
                                 TimePoint now) {
  const auto mask = charged_series(record, op);
  if (mask == 0) return not_available();
  const auto n = limited_units(op.n);
  each_series(record, mask, [&](LimitSeries& series) {
    if (series.kind() == SeriesKind::Values)
      series.hold_value(*op.distinct);
    else
      series.hold_units(n);
  });
  if (op.distinct) count_values(record);
  const auto lease = now + kReservationLease;
  if (!record.holds) record.holds = take_spare_table();
  add_hold(*record.holds, op.id, LimitHold{lease, n, mask, op.distinct, answer});
  record.next_lease = std::min(record.next_lease, lease);
  record.last_lease = lease;
  record.name = op.name;
  // A new record has no expiry yet: any is nearer.
  const auto known = record.expires == TimePoint::max() ? TimePoint::min() : record.expires;
  records_.expire_at(record, std::max(known, lease));
  ++reservations_;
  return answer;
}

// Tables and nodes of reservations come and go with every message.

std::unique_ptr<LimitHolds> EmbeddedLimits::take_spare_table() {
  if (spare_tables_.empty()) return std::make_unique<LimitHolds>();
  auto table = std::move(spare_tables_.back());
  spare_tables_.pop_back();
  return table;
}

void EmbeddedLimits::add_hold(LimitHolds& holds, ReservationId id, LimitHold hold) {
  if (spare_holds_.empty()) {
    holds.insert_or_assign(id, std::move(hold));
    return;
  }
  auto node = std::move(spare_holds_.back());
  spare_holds_.pop_back();
  node.key() = id;
  node.mapped() = std::move(hold);
  holds.insert(std::move(node));
}

void EmbeddedLimits::keep_spare(LimitHolds::node_type node) {
  if (spare_holds_.size() < kSpare) spare_holds_.push_back(std::move(node));
}

void EmbeddedLimits::let_go(LimitRecord& record, const LimitHold& hold) {
  each_series(record, hold.series, [&](LimitSeries& series) {
    if (series.kind() == SeriesKind::Values)
      series.let_go_value(*hold.value);
    else
      series.let_go_units(hold.n);
  });
}

void EmbeddedLimits::drop_hold(LimitRecord& record, ReservationId id) {
  if (!record.holds) return;
  const auto held = record.holds->find(id);
  if (held == record.holds->end()) return;
  let_go(record, held->second);
  keep_spare(record.holds->extract(held));
  if (record.holds->empty()) {
    const bool is_kept =
        spare_tables_.size() < kSpare && record.holds->bucket_count() <= kSpareBuckets;
    if (is_kept) spare_tables_.push_back(std::move(record.holds));
    record.holds.reset();
    record.next_lease = TimePoint::max();
  }
  --reservations_;
  if (record.values > 0) count_values(record);
}

// Two keys may use the same id.
std::uint64_t EmbeddedLimits::settled_id(ReservationId id, std::uint64_t key_hash) {
  return key_hash ^ (id * 0x9e37'79b9'7f4a'7c15);
}

// The administrator.

std::size_t EmbeddedLimits::show_record(const LimitRecord& record, TimePoint now,
                                        std::vector<StateEntry>* entries) const {
  std::size_t count = 0;
  for (const auto& series : record.series) {
    StateEntry entry{};
    entry.kind = StateEntry::Kind::Limit;
    const bool is_bucket = series.kind() == SeriesKind::Bucket;
    const Window refill{0, series.period()};
    entry.used = is_bucket ? whole_tokens(series.shown_debt(now), refill) : series.used();
    entry.reserved = shown(series.reserved());
    if (entry.used == 0 && entry.reserved == 0) continue;
    ++count;
    if (!entries) continue;
    entry.key = *record.key;
    entry.name = record.name;
    entry.period = series.period();
    const auto end = series.last_end();
    if (end != TimePoint::min()) entry.expires = end;
    entry.state = name_of(series.kind());
    if (record.extra > 0 && now < record.extra_until)
      entry.state += ", " + std::to_string(record.extra) + " more granted";
    entries->push_back(std::move(entry));
  }
  return count;
}

void EmbeddedLimits::show(std::size_t part, const std::string& filter, TimePoint now,
                          std::vector<StateEntry>& entries) {
  records_.each(part, [&](LimitRecord& record) {
    if (!is_meant(filter, *record.key, record.name)) return;
    refresh(record, now);
    show_record(record, now, &entries);
  });
}

std::size_t EmbeddedLimits::forget(std::size_t part, const std::string& filter, TimePoint now) {
  std::size_t count = 0;
  std::vector<LimitRecord*> empty;
  records_.each(part, [&](LimitRecord& record) {
    if (!is_meant(filter, *record.key, record.name)) return;
    refresh(record, now);
    count += show_record(record, now, nullptr);
    for (auto& series : record.series) series.reset();
    record.extra = 0;
    count_values(record);
    records_.erase_stored(record);
    set_expiry(record);
    if (!record.holds || record.holds->empty()) empty.push_back(&record);
  });
  for (auto* record : empty) records_.erase(*record);
  return count;
}

std::size_t EmbeddedLimits::grant(std::size_t part, const std::string& filter, std::int64_t extra,
                                  TimePoint until, TimePoint now) {
  std::size_t count = 0;
  records_.each(part, [&](LimitRecord& record) {
    if (!is_meant(filter, *record.key, record.name)) return;
    refresh(record, now);
    const auto entries = show_record(record, now, nullptr);
    if (entries == 0) return;
    count += entries;
    record.extra = limited_units(extra);
    record.extra_until = until;
    set_expiry(record);
    records_.mark(record);
  });
  return count;
}

}  // namespace sluice::backends
