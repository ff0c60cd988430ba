#include "backends/embedded_limits.h"

#include <algorithm>
#include <limits>
#include <map>

#include "backends/entry_order.h"
#include "backends/sqlite_file.h"

namespace sluice::backends {

namespace {

constexpr std::size_t kNone = ~std::size_t{0};
constexpr std::size_t kMaxSeries = 64;  // of one key; a bit of LimitHold::series for each

std::size_t find_series(const LimitRecord& record, SeriesKind kind, Duration period) {
  for (std::size_t i = 0; i < record.series.size(); ++i) {
    if (record.series[i].kind() == kind && record.series[i].period() == period) return i;
  }
  return kNone;
}

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

// The series that an operation charges, one bit for each; those that are missing are added. 0: too
// many.
template <class Op>
std::uint64_t charged_series(LimitRecord& record, const Op& op) {
  std::uint64_t mask = 0;
  const auto charge = [&](SeriesKind kind, Duration period) {
    auto i = find_series(record, kind, limited_period(period));
    if (i == kNone) {
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

using End = LimitSeries::End;

// The leases of one series of units or tokens.
void add_lease_ends(const LimitRecord& record, std::size_t series, std::vector<End>& ends) {
  if (!record.holds) return;
  for (const auto& [id, hold] : *record.holds) {
    if (hold.series >> series & 1) ends.push_back({hold.lease, hold.n});
  }
}

// A value counts until the last of its leases, or of its use, ends.
void add_value_ends(const LimitRecord& record, std::size_t i, std::vector<End>& ends) {
  if (!record.holds) return;
  std::map<std::string_view, TimePoint> leases;
  for (const auto& [id, hold] : *record.holds) {
    if (!(hold.series >> i & 1)) continue;
    auto& lease = leases.try_emplace(*hold.value, hold.lease).first->second;
    lease = std::max(lease, hold.lease);
  }
  for (const auto& [value, lease] : leases) {
    const auto use_end = record.series[i].end_of(std::string(value));
    if (use_end && *use_end >= lease) continue;
    if (use_end) ends.push_back({*use_end, -1});
    ends.push_back({lease, 1});
  }
}

// -1: never.
Duration until_at_most(WideCount total, WideCount most, std::vector<End> ends, TimePoint now) {
  if (total <= most) return Duration{0};
  if (most < 0) return Duration{-1};
  std::sort(ends.begin(), ends.end(), [](const End& a, const End& b) { return a.at < b.at; });
  for (std::size_t i = 0; i < ends.size(); ++i) {
    total -= ends[i].n;
    const bool more_at_once = i + 1 < ends.size() && ends[i + 1].at == ends[i].at;
    if (total <= most && !more_at_once) return ends[i].at - now;
  }
  return Duration{-1};
}

// The debt shrinks by refill per ms, reserved tokens go when their leases end. `most` is what debt
// and reserved tokens may be together, in units of debt.
Duration until_debt_fits(WideCount debt, WideCount most, std::int64_t refill, WideCount period,
                         std::vector<End> leases, TimePoint now) {
  std::sort(leases.begin(), leases.end(), [](const End& a, const End& b) { return a.at < b.at; });
  WideCount held = 0;
  for (const auto& lease : leases) held += lease.n;
  for (std::size_t ended = 0;; ++ended) {
    const auto from = ended == 0 ? WideCount{0} : WideCount{(leases[ended - 1].at - now).count()};
    const auto allowed = most - held * period;
    const auto too_much = debt - allowed;
    const bool fits_some_day = allowed >= 0 && (too_much <= 0 || refill > 0);
    if (fits_some_day) {
      const auto refilled_at = too_much <= 0 ? WideCount{0} : (too_much + refill - 1) / refill;
      const auto at = std::max(from, refilled_at);
      const bool is_last = ended == leases.size();
      if (is_last || at < (leases[ended].at - now).count())
        return at > kLongestWait.count() ? Duration{-1} : Duration{static_cast<std::int64_t>(at)};
    }
    if (ended == leases.size()) return Duration{-1};
    held -= leases[ended].n;
  }
}

}  // namespace

// To disk.

void LimitRecord::store(std::vector<StoredRow>& rows, bool everything) {
  for (auto& one : series) {
    if (!one.has_use()) continue;
    const auto period_ms = one.period().count();
    auto end = one.last_end();
    if (extra > 0) end = std::max(end, extra_until);
    const bool is_bucket = one.kind() == SeriesKind::Bucket;
    const auto used = is_bucket ? 0 : one.used();
    rows.push_back(
        {StoredRow::Change::Insert,
         Table::Limits,
         {Blob{*key}, static_cast<std::int64_t>(one.kind()), period_ms, name, used,
          Blob{one.stored()}, extra, extra > 0 ? extra_until.time_since_epoch().count() : 0,
          end.time_since_epoch().count()}});
    for (auto& [value, index] : one.take_changed_values(everything))
      rows.push_back({StoredRow::Change::Insert,
                      Table::LimitValues,
                      {Blob{*key}, period_ms, std::move(value), index,
                       sub_window_expiry(index, one.period()).time_since_epoch().count()}});
  }
}

void LimitRecord::erase_stored(const std::string& key, std::vector<StoredRow>& rows) {
  rows.push_back({StoredRow::Change::Erase, Table::Limits, {Blob{key}}});
  rows.push_back({StoredRow::Change::Erase, Table::LimitValues, {Blob{key}}});
}

void EmbeddedLimits::load_series(const RowReader& row) {
  const auto kind = row.integer(1);
  if (kind < 0 || kind > static_cast<std::int64_t>(SeriesKind::Bucket)) return;
  auto& record = records_.find_or_add(std::string(row.bytes(0)));
  record.name = row.bytes(3);
  record.extra = limited_units(row.integer(5));
  record.extra_until = TimePoint{Duration{row.integer(6)}};
  if (record.series.size() == kMaxSeries) return;
  record.series.emplace_back(static_cast<SeriesKind>(kind),
                             limited_period(Duration{row.integer(2)}));
  record.series.back().load(row.bytes(4));
}

void EmbeddedLimits::load_value(const RowReader& row) {
  auto* record = records_.find(row.bytes(0));
  if (!record) return;
  const auto i = find_series(*record, SeriesKind::Values, limited_period(Duration{row.integer(1)}));
  if (i != kNone) record->series[i].load_value(std::string(row.bytes(2)), row.integer(3));
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
        it = record.holds->erase(it);
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
  if (record.holds) {
    for (const auto& [id, hold] : *record.holds) end = std::max(end, hold.lease);
  }
  records_.expire_at(record, end);
}

LimitRecord* EmbeddedLimits::current(const std::string& key, TimePoint now) {
  auto* record = records_.find(key);
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

struct EmbeddedLimits::Demand {
  std::int64_t n;
  const std::vector<Window>& windows;
  const std::optional<Bucket>& bucket;
  const std::optional<std::string>& distinct;

  template <class Op>
  explicit Demand(const Op& op)
      : n(limited_units(op.n)), windows(op.windows), bucket(op.bucket), distinct(op.distinct) {}

  std::size_t checks() const { return windows.size() + (bucket ? 1 : 0); }
  bool is_bucket(std::size_t check) const { return check == windows.size(); }
  SeriesKind kind(std::size_t check) const {
    if (is_bucket(check)) return SeriesKind::Bucket;
    return distinct ? SeriesKind::Values : SeriesKind::Units;
  }
  Duration period(std::size_t check) const {
    return limited_period(is_bucket(check) ? bucket->refill.period : windows[check].period);
  }
  // What used and reserved may be together so that n more fit; for a bucket in tokens.
  WideCount most(std::size_t check, std::int64_t extra) const {
    const auto count = is_bucket(check) ? bucket->capacity : windows[check].count;
    return WideCount{count} + extra - (kind(check) == SeriesKind::Values ? 1 : n);
  }
};

// One window or bucket of a demand against what its series has counted.
struct EmbeddedLimits::Check {
  const LimitRecord* record;
  std::size_t series_index;
  const LimitSeries* series;                   // null: nothing was counted yet
  WideCount used = 0, reserved = 0, most = 0;  // of a bucket in units of debt
  WideCount scale = 1;
  std::int64_t refill = 0;
  std::int64_t shown_used = 0;
  Duration period;
  bool is_known_value = false;

  Check(const LimitRecord* of, const Demand& demand, std::size_t i, TimePoint now)
      : record(of),
        series_index(of ? find_series(*of, demand.kind(i), demand.period(i)) : kNone),
        series(series_index == kNone ? nullptr : &of->series[series_index]),
        period(demand.period(i)) {
    const bool has_extra = of && of->extra > 0 && now < of->extra_until;
    most = demand.most(i, has_extra ? of->extra : 0);
    const bool is_bucket = demand.is_bucket(i);
    if (is_bucket) {
      scale = period.count();
      refill = limited_units(demand.bucket->refill.count);
      most *= scale;
    }
    if (!series) return;
    used = is_bucket ? series->debt(demand.bucket->refill.count, now) : WideCount{series->used()};
    reserved = series->reserved() * scale;
    shown_used = is_bucket ? whole_tokens(used, demand.bucket->refill) : series->used();
    is_known_value = series->kind() == SeriesKind::Values && series->knows(*demand.distinct);
  }

  bool refuses() const { return !is_known_value && used + reserved > most; }

  Duration wait(bool with_holds, TimePoint now) const {
    std::vector<End> ends;
    Duration found{};
    if (series && series->kind() == SeriesKind::Bucket) {
      if (with_holds) add_lease_ends(*record, series_index, ends);
      found = until_debt_fits(used, most, refill, scale, std::move(ends), now);
    } else {
      if (series) ends = series->ends();
      if (with_holds && series && series->kind() == SeriesKind::Values)
        add_value_ends(*record, series_index, ends);
      if (with_holds && series && series->kind() == SeriesKind::Units)
        add_lease_ends(*record, series_index, ends);
      found = until_at_most(used + (with_holds ? reserved : 0), most, std::move(ends), now);
    }
    return found < Duration{0} ? period : found;
  }
};

StateAnswer EmbeddedLimits::evaluate(const LimitRecord* record, const Demand& demand,
                                     TimePoint now) {
  StateAnswer answer;
  Duration committed_wait{0};
  for (std::size_t i = 0; i < demand.checks(); ++i) {
    const Check check(record, demand, i, now);
    const bool refuses = check.refuses();
    if (i == 0 || (refuses && answer.granted)) answer.used = check.shown_used;
    if (!refuses) continue;
    if (answer.granted) answer.exceeded = i;
    answer.granted = false;
    answer.wait = std::max(answer.wait, check.wait(true, now));
    committed_wait = std::max(committed_wait, check.wait(false, now));
  }
  answer.by_committed_use = !answer.granted && committed_wait == answer.wait;
  return answer;
}

StateAnswer EmbeddedLimits::apply(const Reserve& op, TimePoint now) {
  if (op.windows.size() > kMaxWindows) return not_available();
  auto* record = current(op.key, now);
  if (record && record->holds) {
    const auto held = record->holds->find(op.id);
    if (held != record->holds->end()) return held->second.answer;
  }
  const auto answer = evaluate(record, Demand(op), now);
  const bool holds = (answer.granted || op.even_if_exceeded) && !is_unlimited(op);
  if (!holds || is_settled(settled_id(op.id, op.key), now)) return answer;
  if (reservations_ >= caps_.reservations) return not_available();
  return hold(record ? *record : new_record(op.key, now), op, answer, now);
}

StateAnswer EmbeddedLimits::apply(const Peek& op, TimePoint now) {
  if (op.windows.size() > kMaxWindows) return not_available();
  return evaluate(current(op.key, now), Demand(op), now);
}

StateAnswer EmbeddedLimits::apply(const Commit& op, TimePoint now) {
  if (op.windows.size() > kMaxWindows) return not_available();
  const auto id = settled_id(op.id, op.key);
  if (is_settled(id, now)) return {};
  settle(id, now);
  auto* record = current(op.key, now);
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
  const auto id = settled_id(op.id, op.key);
  if (is_settled(id, now)) return {};
  settle(id, now);
  if (auto* record = current(op.key, now)) drop_hold(*record, op.id);
  return {};
}

StateAnswer EmbeddedLimits::apply(const Renew& op, TimePoint now) {
  StateAnswer answer;
  answer.granted = false;
  auto* record = current(op.key, now);
  if (!record || !record->holds) return answer;
  const auto held = record->holds->find(op.id);
  if (held == record->holds->end()) return answer;
  answer.granted = true;
  held->second.lease = now + kReservationLease;
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
  if (!record.holds)
    record.holds = std::make_unique<std::unordered_map<ReservationId, LimitHold>>();
  record.holds->insert_or_assign(op.id, LimitHold{lease, n, mask, op.distinct, answer});
  record.next_lease = std::min(record.next_lease, lease);
  record.name = op.name;
  // A new record has no expiry yet: any is nearer.
  const auto known = record.expires == TimePoint::max() ? TimePoint::min() : record.expires;
  records_.expire_at(record, std::max(known, lease));
  ++reservations_;
  return answer;
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
  record.holds->erase(held);
  if (record.holds->empty()) {
    record.holds.reset();
    record.next_lease = TimePoint::max();
  }
  --reservations_;
  if (record.values > 0) count_values(record);
}

// Two keys may use the same id.
std::uint64_t EmbeddedLimits::settled_id(ReservationId id, const std::string& key) const {
  return keyed_hash(key) ^ (id * 0x9e37'79b9'7f4a'7c15);
}

bool EmbeddedLimits::is_settled(std::uint64_t id, TimePoint now) {
  while (!settled_in_order_.empty() && (settled_in_order_.front().first + kSettledMemory <= now ||
                                        settled_in_order_.size() > caps_.settled)) {
    settled_.erase(settled_in_order_.front().second);
    settled_in_order_.pop_front();
  }
  return settled_.count(id) > 0;
}

void EmbeddedLimits::settle(std::uint64_t id, TimePoint now) {
  settled_.insert(id);
  settled_in_order_.emplace_back(now, id);
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
