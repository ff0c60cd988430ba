// A world is one kind of store with the clock it lives by; the contract's tests run in each.
#pragma once
#include "backends/reference_store.h"
#include "store_testing.h"

namespace sluice::backends {

// 2026-11-25T00:00Z, the end of a sub-window of every period that divides a day.
inline constexpr TimePoint kStart{Duration{1'795'564'800'000}};

struct ReferenceWorld {
  VirtualClock clock{kStart};
  ReferenceStore store{clock};
};

#define STORE_WORLDS ReferenceWorld

}  // namespace sluice::backends
