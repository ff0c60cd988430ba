#include "backends/entry_order.h"

#include <algorithm>
#include <tuple>

namespace sluice::backends {

namespace {

bool before_by_name(const StateEntry& a, const StateEntry& b) {
  return std::tie(a.name, a.key, a.state, a.period) < std::tie(b.name, b.key, b.state, b.period);
}

bool before_by_use(const StateEntry& a, const StateEntry& b) {
  return a.used != b.used ? a.used > b.used : before_by_name(a, b);
}

}  // namespace

bool is_meant(std::string_view filter, std::string_view key, std::string_view name) {
  return filter.empty() || name.find(filter) != std::string_view::npos || key == filter;
}

void order_entries(std::vector<StateEntry>& entries, const StateQuery& query) {
  const auto before = query.most_used_first ? before_by_use : before_by_name;
  const auto kept = std::min(query.limit, entries.size());
  const auto middle = entries.begin() + static_cast<std::ptrdiff_t>(kept);
  std::partial_sort(entries.begin(), middle, entries.end(), before);
  entries.erase(middle, entries.end());
}

}  // namespace sluice::backends
