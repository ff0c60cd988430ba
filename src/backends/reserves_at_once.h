// ReservesAtOnce: what a state store in memory can do besides: answer a reservation on the spot. It is
// asked several times for each recipient, and neither the reservation nor the question is copied.
//
// Threads: as StateStore.
#pragma once
#include <optional>

#include "backends/state_store.h"

namespace sluice::backends {

class ReservesAtOnce {
 public:
  // What submit() of this operation alone would answer. nullopt: not here, submit it.
  virtual std::optional<StateAnswer> reserve_at_once(const Reserve& op) = 0;

 protected:
  ~ReservesAtOnce() = default;
};

}  // namespace sluice::backends
