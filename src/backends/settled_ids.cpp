#include "backends/settled_ids.h"

#include "backends/state_store.h"

namespace sluice::backends {
namespace {

// 0 marks a free slot.
std::uint64_t never_zero(std::uint64_t id) { return id == 0 ? 1 : id; }

}  // namespace

bool SettledIds::contains(std::uint64_t id, TimePoint now) {
  forget_old(now);
  return slots_[find(never_zero(id))] != 0;
}

bool SettledIds::insert(std::uint64_t id, TimePoint now) {
  forget_old(now);
  id = never_zero(id);
  if (2 * (in_order_.size() + 1) > slots_.size()) grow();
  const std::size_t at = find(id);
  if (slots_[at] != 0) return false;
  slots_[at] = id;
  in_order_.emplace_back(now, id);
  return true;
}

void SettledIds::forget_old(TimePoint now) {
  while (!in_order_.empty() &&
         (in_order_.front().first + kSettledMemory <= now || in_order_.size() > most_)) {
    erase(in_order_.front().second);
    in_order_.pop_front();
  }
}

std::size_t SettledIds::find(std::uint64_t id) const {
  std::size_t at = home(id);
  while (slots_[at] != 0 && slots_[at] != id) at = (at + 1) & (slots_.size() - 1);
  return at;
}

// Those behind it that the gap would hide move up.
void SettledIds::erase(std::uint64_t id) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t gap = find(id);
  for (std::size_t at = (gap + 1) & mask; slots_[at] != 0; at = (at + 1) & mask) {
    const bool is_home_behind_gap = ((at - home(slots_[at])) & mask) >= ((at - gap) & mask);
    if (!is_home_behind_gap) continue;
    slots_[gap] = slots_[at];
    gap = at;
  }
  slots_[gap] = 0;
}

void SettledIds::grow() {
  slots_.assign(slots_.size() * 2, 0);
  for (const auto& [settled, id] : in_order_) slots_[find(id)] = id;
}

}  // namespace sluice::backends
