#include "backends/limit_decision.h"

#include <algorithm>
#include <map>

namespace sluice::backends {

namespace {

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
  // Few of many ends matter, mostly: a heap instead of an order.
  const auto later = [](const End& a, const End& b) { return a.at > b.at; };
  std::make_heap(ends.begin(), ends.end(), later);
  while (!ends.empty()) {
    const auto next = ends.front();
    std::pop_heap(ends.begin(), ends.end(), later);
    ends.pop_back();
    total -= next.n;
    const bool more_at_once = !ends.empty() && ends.front().at == next.at;
    if (total <= most && !more_at_once) return next.at - now;
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

// One window or bucket of a demand against what its series has counted.
struct Check {
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
        series_index(of ? find_series(*of, demand.kind(i), demand.period(i)) : kNoSeries),
        series(series_index == kNoSeries ? nullptr : &of->series[series_index]),
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

}  // namespace

StateAnswer decide(const LimitRecord* record, const Demand& demand, TimePoint now) {
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

}  // namespace sluice::backends
