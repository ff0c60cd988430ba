#include "backends/reference_limits.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "backends/entry_order.h"

namespace sluice::backends {

namespace {

bool is_counted(TimePoint use, Duration period, TimePoint t) {
  return sub_window_expiry(sub_window(use, period), period) > t;
}

std::int64_t shown(WideCount n) {
  constexpr WideCount kMost = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::min(n, kMost));
}

std::set<Duration> periods_of(const std::vector<Window>& windows) {
  std::set<Duration> periods;
  for (const auto& window : windows) periods.insert(limited_period(window.period));
  return periods;
}

bool is_unlimited(const Peek& demand) { return demand.windows.empty() && !demand.bucket; }

Peek demand_of(const Reserve& op) { return {op.key, op.n, op.windows, op.bucket, op.distinct}; }

StateAnswer not_available() {
  StateAnswer answer;
  answer.available = false;
  return answer;
}

}  // namespace

// What is used and reserved at a time.

WideCount ReferenceLimits::used(const Limit& limit, Duration period, TimePoint t) {
  WideCount sum = 0;
  for (const auto& use : limit.uses) {
    if (!use.value && use.periods.count(period) && is_counted(use.at, period, t)) sum += use.n;
  }
  return sum;
}

WideCount ReferenceLimits::reserved(const Limit& limit, Duration period, TimePoint t) {
  WideCount sum = 0;
  for (const auto& [id, hold] : limit.holds) {
    const bool here = periods_of(hold.asked.windows).count(period) && !hold.asked.distinct;
    if (here && hold.lease > t) sum += limited_units(hold.asked.n);
  }
  return sum;
}

std::set<std::string> ReferenceLimits::used_values(const Limit& limit, Duration period,
                                                   TimePoint t) {
  std::set<std::string> values;
  for (const auto& use : limit.uses) {
    if (use.value && use.periods.count(period) && is_counted(use.at, period, t))
      values.insert(*use.value);
  }
  return values;
}

std::set<std::string> ReferenceLimits::held_values(const Limit& limit, Duration period,
                                                   TimePoint t) {
  std::set<std::string> values;
  for (const auto& [id, hold] : limit.holds) {
    const bool here = periods_of(hold.asked.windows).count(period) && hold.asked.distinct;
    if (here && hold.lease > t) values.insert(*hold.asked.distinct);
  }
  return values;
}

// Each gap is refilled at the rate that the commit at its end knew, the last one at the rate given
// now.
WideCount ReferenceLimits::debt(const Limit& limit, const Window& refill, TimePoint t) {
  WideCount debt = 0;
  std::optional<TimePoint> last;
  for (const auto& use : limit.uses) {
    if (!use.refill || limited_period(use.refill->period) != limited_period(refill.period))
      continue;
    if (last) debt = refilled(debt, use.at - *last, use.refill->count);
    debt += bucket_debt(use.n, refill);
    last = use.at;
  }
  return last ? refilled(debt, t - *last, refill.count) : 0;
}

WideCount ReferenceLimits::reserved_tokens(const Limit& limit, Duration period, TimePoint t) {
  WideCount sum = 0;
  for (const auto& [id, hold] : limit.holds) {
    const auto& bucket = hold.asked.bucket;
    const bool here = bucket && limited_period(bucket->refill.period) == period;
    if (here && hold.lease > t) sum += limited_units(hold.asked.n);
  }
  return sum;
}

// What may refuse.

Duration ReferenceLimits::Check::period() const {
  return limited_period(is_bucket() ? demand.bucket->refill.period : demand.windows[index].period);
}

bool ReferenceLimits::Check::fits(TimePoint t) const {
  if (is_bucket()) return fits_bucket(t);
  return demand.distinct ? fits_distinct(t) : fits_window(t);
}

bool ReferenceLimits::Check::fits_window(TimePoint t) const {
  const auto held = with_holds ? reserved(limit, period(), t) : 0;
  const auto count = WideCount{demand.windows[index].count} + extra;
  return ReferenceLimits::used(limit, period(), t) + held + limited_units(demand.n) <= count;
}

bool ReferenceLimits::Check::fits_distinct(TimePoint t) const {
  auto values = used_values(limit, period(), t);
  if (with_holds) values.merge(held_values(limit, period(), t));
  if (values.count(*demand.distinct)) return true;
  return WideCount(values.size()) + 1 <= WideCount{demand.windows[index].count} + extra;
}

bool ReferenceLimits::Check::fits_bucket(TimePoint t) const {
  const auto& bucket = *demand.bucket;
  const auto held = with_holds ? reserved_tokens(limit, period(), t) : 0;
  const auto tokens = WideCount{bucket.capacity} + extra - held - limited_units(demand.n);
  return debt(limit, bucket.refill, t) <= tokens * period().count();
}

std::int64_t ReferenceLimits::Check::used(TimePoint t) const {
  if (is_bucket())
    return whole_tokens(debt(limit, demand.bucket->refill, t), demand.bucket->refill);
  if (demand.distinct) return static_cast<std::int64_t>(used_values(limit, period(), t).size());
  return shown(ReferenceLimits::used(limit, period(), t));
}

// Left alone, what is used and reserved only becomes less: the first moment that fits is found by
// halving.
Duration ReferenceLimits::Check::wait(TimePoint now) const {
  if (fits(now)) return Duration{0};
  Duration too_short{0}, enough = kLongestWait;
  if (!fits(now + enough)) return period();
  while (enough - too_short > Duration{1}) {
    const auto middle = too_short + (enough - too_short) / 2;
    (fits(now + middle) ? enough : too_short) = middle;
  }
  return enough;
}

StateAnswer ReferenceLimits::evaluate(const Limit& limit, const Peek& demand, TimePoint now) const {
  StateAnswer answer;
  Duration committed_wait{0};
  const auto extra = now < limit.extra_until ? limit.extra : 0;
  const std::size_t checks = demand.windows.size() + (demand.bucket ? 1 : 0);
  for (std::size_t i = 0; i < checks; ++i) {
    const Check check{limit, demand, i, extra, true};
    const Check committed{limit, demand, i, extra, false};
    const bool refuses = !check.fits(now);
    if (i == 0 || (refuses && answer.granted)) answer.used = check.used(now);
    if (!refuses) continue;
    if (answer.granted) answer.exceeded = i;
    answer.granted = false;
    answer.wait = std::max(answer.wait, check.wait(now));
    committed_wait = std::max(committed_wait, committed.wait(now));
  }
  answer.by_committed_use = !answer.granted && committed_wait == answer.wait;
  return answer;
}

// The operations.

ReferenceLimits::Limit& ReferenceLimits::at(const std::string& key, TimePoint now) {
  auto& limit = limits_[key];
  std::erase_if(limit.holds, [&](const auto& hold) { return hold.second.lease <= now; });
  return limit;
}

bool ReferenceLimits::is_settled(ReservationId id, const std::string& key, TimePoint now) {
  while (!settled_in_order_.empty() && settled_in_order_.front().first + kSettledMemory <= now) {
    settled_.erase(settled_in_order_.front().second);
    settled_in_order_.pop_front();
  }
  return settled_.count({key, id}) > 0;
}

void ReferenceLimits::settle(ReservationId id, const std::string& key, TimePoint now) {
  settled_.insert({key, id});
  settled_in_order_.push_back({now, {key, id}});
}

StateAnswer ReferenceLimits::apply(const Reserve& op, TimePoint now) {
  if (op.windows.size() > kMaxWindows) return not_available();
  auto& limit = at(op.key, now);
  const auto held = limit.holds.find(op.id);
  if (held != limit.holds.end()) return held->second.answer;
  const auto demand = demand_of(op);
  const auto answer = evaluate(limit, demand, now);
  const bool holds = (answer.granted || op.even_if_exceeded) && !is_unlimited(demand);
  if (!holds || is_settled(op.id, op.key, now)) return answer;
  limit.name = op.name;
  limit.holds[op.id] = Hold{op, now + kReservationLease, answer};
  return answer;
}

StateAnswer ReferenceLimits::apply(const Peek& op, TimePoint now) {
  if (op.windows.size() > kMaxWindows) return not_available();
  return evaluate(at(op.key, now), op, now);
}

StateAnswer ReferenceLimits::apply(const Commit& op, TimePoint now) {
  if (op.windows.size() > kMaxWindows) return not_available();
  if (is_settled(op.id, op.key, now)) return {};
  auto& limit = at(op.key, now);
  limit.holds.erase(op.id);
  settle(op.id, op.key, now);
  const auto n = limited_units(op.n);
  drop_old_uses(limit, op.bucket, now);
  if (!op.windows.empty()) {
    limit.name = op.name;
    limit.uses.push_back({now, n, op.distinct, periods_of(op.windows), {}});
  }
  if (op.bucket) {
    limit.name = op.name;
    limit.uses.push_back({now, n, {}, {}, op.bucket->refill});
  }
  return {};
}

StateAnswer ReferenceLimits::apply(const Release& op, TimePoint now) {
  if (is_settled(op.id, op.key, now)) return {};
  at(op.key, now).holds.erase(op.id);
  settle(op.id, op.key, now);
  return {};
}

StateAnswer ReferenceLimits::apply(const Renew& op, TimePoint now) {
  StateAnswer answer;
  auto& limit = at(op.key, now);
  const auto held = limit.holds.find(op.id);
  answer.granted = held != limit.holds.end();
  if (answer.granted) held->second.lease = now + kReservationLease;
  return answer;
}

// Only to keep the lists short: what no window counts any more, and what a bucket has refilled.
void ReferenceLimits::drop_old_uses(Limit& limit, const std::optional<Bucket>& bucket,
                                    TimePoint now) {
  const bool is_full = bucket && debt(limit, bucket->refill, now) == 0;
  std::erase_if(limit.uses, [&](const Use& use) {
    if (use.refill)
      return is_full && limited_period(use.refill->period) == limited_period(bucket->refill.period);
    return std::none_of(use.periods.begin(), use.periods.end(),
                        [&](Duration period) { return is_counted(use.at, period, now); });
  });
}

// What the administrator sees and does.

std::vector<StateEntry> ReferenceLimits::entries_of(const std::string& key, const Limit& limit,
                                                    TimePoint now) {
  std::set<std::tuple<std::string, Duration>> series;
  const auto add = [&](const std::set<Duration>& periods, bool distinct) {
    for (const auto period : periods) series.insert({distinct ? "distinct" : "window", period});
  };
  std::map<Duration, Window> refills;  // the last known rate
  for (const auto& use : limit.uses) {
    add(use.periods, use.value.has_value());
    if (use.refill) refills[limited_period(use.refill->period)] = *use.refill;
  }
  for (const auto& [id, hold] : limit.holds) {
    add(periods_of(hold.asked.windows), hold.asked.distinct.has_value());
    if (hold.asked.bucket) {
      const auto& refill = hold.asked.bucket->refill;
      refills.try_emplace(limited_period(refill.period), refill);
    }
  }
  for (const auto& [period, refill] : refills) series.insert({"bucket", period});

  std::vector<StateEntry> entries;
  for (const auto& [state, period] : series) {
    StateEntry entry{};
    entry.kind = StateEntry::Kind::Limit;
    entry.key = key;
    entry.name = limit.name;
    entry.period = period;
    entry.state = state;
    if (state == "window") {
      entry.used = shown(used(limit, period, now));
      entry.reserved = shown(reserved(limit, period, now));
    } else if (state == "distinct") {
      auto values = used_values(limit, period, now);
      entry.used = static_cast<std::int64_t>(values.size());
      values.merge(held_values(limit, period, now));
      entry.reserved = static_cast<std::int64_t>(values.size()) - entry.used;
    } else {
      entry.used = whole_tokens(debt(limit, refills[period], now), refills[period]);
      entry.reserved = shown(reserved_tokens(limit, period, now));
    }
    if (limit.extra > 0 && now < limit.extra_until)
      entry.state += ", " + std::to_string(limit.extra) + " more granted";
    if (entry.used > 0 || entry.reserved > 0) entries.push_back(std::move(entry));
  }
  return entries;
}

std::vector<StateEntry> ReferenceLimits::entries(const std::string& filter, TimePoint now) const {
  std::vector<StateEntry> entries;
  for (const auto& [key, limit] : limits_) {
    if (!is_meant(filter, key, limit.name)) continue;
    for (auto& entry : entries_of(key, limit, now)) entries.push_back(std::move(entry));
  }
  return entries;
}

std::size_t ReferenceLimits::forget(const std::string& filter, TimePoint now) {
  std::size_t count = 0;
  for (auto& [key, limit] : limits_) {
    if (!is_meant(filter, key, limit.name)) continue;
    count += entries_of(key, limit, now).size();
    limit.uses.clear();
    limit.extra = 0;
  }
  return count;
}

std::size_t ReferenceLimits::grant(const std::string& filter, std::int64_t extra, TimePoint until,
                                   TimePoint now) {
  std::size_t count = 0;
  for (auto& [key, limit] : limits_) {
    if (!is_meant(filter, key, limit.name)) continue;
    const auto entries = entries_of(key, limit, now).size();
    if (entries == 0) continue;
    count += entries;
    limit.extra = limited_units(extra);
    limit.extra_until = until;
  }
  return count;
}

void ReferenceLimits::restart() {
  for (auto& [key, limit] : limits_) limit.holds.clear();
  settled_.clear();
  settled_in_order_.clear();
}

}  // namespace sluice::backends
