// ReservesAtOnce: what a state store in memory can do besides: answer a reservation on the spot. It is
// asked several times for each recipient, and what is reserved is not copied, neither to ask for it
// nor to commit it.
//
// Threads: as StateStore.
#pragma once
#include <optional>
#include <span>

#include "backends/state_store.h"

namespace sluice::backends {

class ReservesAtOnce {
 public:
  // What submit() of this operation alone would answer. nullopt: not here, submit it.
  virtual std::optional<StateAnswer> reserve_at_once(const Reserve& op) = 0;
  // What submit() of their Commits, with all that the reservations say, would do. False: not here,
  // nothing is done.
  virtual bool commit_at_once(std::span<const Reserve* const> /*reserved*/) { return false; }

 protected:
  ~ReservesAtOnce() = default;
};

}  // namespace sluice::backends
