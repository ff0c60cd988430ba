// What StateStore::show() lists: which entries a query means, and in which order.
#pragma once
#include <string_view>
#include <vector>

#include "backends/state_store.h"

namespace sluice::backends {

// An empty filter means all; else a part of the name, or the whole key.
bool is_meant(std::string_view filter, std::string_view key, std::string_view name);

// Sorts as the query wishes and cuts to its limit.
void order_entries(std::vector<StateEntry>& entries, const StateQuery& query);

}  // namespace sluice::backends
