#include "backends/limit_series.h"

#include <algorithm>
#include <limits>

namespace sluice::backends {

namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

std::int64_t add_up(std::int64_t a, std::int64_t b) { return a > kMost - b ? kMost : a + b; }

// Numbers in 7-bit groups, low first, signed ones zigzag: small numbers take a byte.
void put(std::string& out, std::uint64_t n) {
  for (; n >= 0x80; n >>= 7) out.push_back(static_cast<char>(n | 0x80));
  out.push_back(static_cast<char>(n));
}
void put_signed(std::string& out, std::int64_t n) {
  put(out, (static_cast<std::uint64_t>(n) << 1) ^ static_cast<std::uint64_t>(n >> 63));
}
std::uint64_t take(std::string_view& in) {
  std::uint64_t n = 0;
  for (unsigned shift = 0; !in.empty() && shift < 64; shift += 7) {
    const auto byte = static_cast<std::uint8_t>(in.front());
    in.remove_prefix(1);
    n |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return n;
}
std::int64_t take_signed(std::string_view& in) {
  const auto n = take(in);
  return static_cast<std::int64_t>(n >> 1) ^ -static_cast<std::int64_t>(n & 1);
}

// What is read from disk may be anything: no sum of it may overflow.
constexpr std::int64_t kFarAway = std::int64_t{1} << 55;
std::int64_t believable(std::int64_t n) { return std::clamp(n, -kFarAway, kFarAway); }

}  // namespace

LimitSeries::LimitSeries(SeriesKind kind, Duration period) : kind_(kind), period_(period) {
  if (kind == SeriesKind::Values) values_ = std::make_unique<Values>();
}

void LimitSeries::refresh(TimePoint now) {
  auto live = slots_.begin();
  while (live != slots_.end() && sub_window_expiry(live->index, period_) <= now) ++live;
  if (live == slots_.begin()) return;
  slots_.erase(slots_.begin(), live);
  total_ = 0;
  for (const auto& slot : slots_) total_ = add_up(total_, slot.n);
  if (values_) drop_old_values(slots_.empty() ? kMost : slots_.front().index);
}

void LimitSeries::drop_old_values(std::int64_t first_live) {
  for (auto it = values_->table.begin(); it != values_->table.end();) {
    auto& value = it->second;
    if (value.index != kUnused && value.index < first_live) {
      value.index = kUnused;
      if (value.holds > 0) ++reserved_;
    }
    it = value.index == kUnused && value.holds == 0 ? values_->table.erase(it) : std::next(it);
  }
}

std::int64_t LimitSeries::used() const { return total_; }

void LimitSeries::add_to_slot(std::int64_t index, std::int64_t n) {
  if (slots_.empty() || slots_.back().index < index) slots_.push_back({index, 0});
  slots_.back().n = add_up(slots_.back().n, n);
  total_ = add_up(total_, n);
}

void LimitSeries::add_units(std::int64_t n, TimePoint now) {
  if (n > 0) add_to_slot(sub_window(now, period_), n);
}

std::vector<LimitSeries::End> LimitSeries::ends() const {
  std::vector<End> ends;
  ends.reserve(slots_.size());
  for (const auto& slot : slots_) ends.push_back({sub_window_expiry(slot.index, period_), slot.n});
  return ends;
}

TimePoint LimitSeries::last_end() const {
  if (!has_use()) return TimePoint::min();
  if (kind_ != SeriesKind::Bucket) return sub_window_expiry(slots_.back().index, period_);
  const auto refill = limited_units(refill_count_);
  const WideCount until_full = refill > 0 ? debt_ / refill + 1 : kLongestPeriod.count();
  return debt_at_ + Duration{static_cast<std::int64_t>(
                        std::min<WideCount>(until_full, kLongestPeriod.count()))};
}

bool LimitSeries::knows(const std::string& value) const { return values_->table.count(value) > 0; }

std::optional<TimePoint> LimitSeries::end_of(const std::string& value) const {
  const auto found = values_->table.find(value);
  if (found == values_->table.end() || found->second.index == kUnused) return {};
  return sub_window_expiry(found->second.index, period_);
}

bool LimitSeries::add_value(const std::string& text, bool may_remember, TimePoint now) {
  const auto index = sub_window(now, period_);
  auto found = values_->table.find(text);
  if (found == values_->table.end()) {
    if (!may_remember) {
      add_to_slot(index, 1);
      return false;
    }
    found = values_->table.try_emplace(text).first;
  }
  auto& value = found->second;
  if (value.index == index) return true;
  if (value.index != kUnused) {
    const auto old =
        std::lower_bound(slots_.begin(), slots_.end(), value.index,
                         [](const Slot& slot, std::int64_t i) { return slot.index < i; });
    --old->n;
    --total_;
  } else if (value.holds > 0) {
    --reserved_;
  }
  add_to_slot(index, 1);
  value.index = slots_.back().index;
  if (!value.changed) values_->changed.push_back(text);
  value.changed = true;
  return true;
}

WideCount LimitSeries::debt(std::int64_t refill_count, TimePoint now) const {
  return debt_ == 0 ? 0 : refilled(debt_, now - debt_at_, refill_count);
}

void LimitSeries::add_tokens(std::int64_t n, const Window& refill, TimePoint now) {
  debt_ = debt(refill.count, now) + bucket_debt(n, refill);
  debt_at_ = now;
  refill_count_ = refill.count;
}

void LimitSeries::hold_value(const std::string& text) {
  auto& value = values_->table[text];
  if (value.holds++ == 0 && value.index == kUnused) ++reserved_;
}

void LimitSeries::let_go_value(const std::string& text) {
  const auto found = values_->table.find(text);
  if (found == values_->table.end() || --found->second.holds > 0) return;
  if (found->second.index != kUnused) return;
  --reserved_;
  values_->table.erase(found);
}

void LimitSeries::reset() {
  slots_.clear();
  total_ = 0;
  debt_ = 0;
  if (!values_) return;
  drop_old_values(kMost);
  values_->changed.clear();
}

std::string LimitSeries::stored() const {
  std::string out;
  if (kind_ == SeriesKind::Bucket) {
    put(out, static_cast<std::uint64_t>(debt_ >> 64));
    put(out, static_cast<std::uint64_t>(debt_));
    put_signed(out, debt_at_.time_since_epoch().count());
    put_signed(out, refill_count_);
    return out;
  }
  std::int64_t last = 0;
  for (const auto& slot : slots_) {
    put_signed(out, slot.index - last);
    put_signed(out, slot.n);
    last = slot.index;
  }
  return out;
}

void LimitSeries::load(std::string_view in) {
  if (kind_ == SeriesKind::Bucket) {
    const auto high = take(in) & 0xff'ffff'ffff'ffff;  // room for sums
    debt_ = static_cast<WideCount>(high) << 64 | static_cast<WideCount>(take(in));
    debt_at_ = TimePoint{Duration{believable(take_signed(in))}};
    refill_count_ = take_signed(in);
    return;
  }
  std::int64_t index = 0;
  while (!in.empty() && slots_.size() <= kSubWindows) {
    index = believable(index + believable(take_signed(in)));
    add_to_slot(index, std::max<std::int64_t>(0, take_signed(in)));
  }
}

std::vector<std::pair<std::int64_t, std::int64_t>> LimitSeries::sub_windows() const {
  std::vector<std::pair<std::int64_t, std::int64_t>> all;
  for (const auto& slot : slots_) all.emplace_back(slot.index, slot.n);
  return all;
}

void LimitSeries::load_value(std::string value, std::int64_t index) {
  const bool counted = std::any_of(slots_.begin(), slots_.end(),
                                   [&](const Slot& slot) { return slot.index == index; });
  if (counted) values_->table[std::move(value)].index = index;
}

std::vector<std::pair<std::string, std::int64_t>> LimitSeries::take_changed_values(bool all) {
  std::vector<std::pair<std::string, std::int64_t>> taken;
  if (!values_) return taken;
  if (all) {
    for (const auto& [text, value] : values_->table)
      if (value.index != kUnused) taken.emplace_back(text, value.index);
    return taken;
  }
  for (auto& text : values_->changed) {
    const auto found = values_->table.find(text);
    if (found == values_->table.end() || !found->second.changed) continue;
    found->second.changed = false;
    if (found->second.index != kUnused) taken.emplace_back(std::move(text), found->second.index);
  }
  values_->changed.clear();
  return taken;
}

}  // namespace sluice::backends
