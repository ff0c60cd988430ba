#include "engine/stage_event.h"

#include "engine/session_state.h"

namespace sluice::engine {
namespace {

constexpr std::size_t kKept = 64;      // elements of a list that is used again
constexpr std::size_t kKeptKey = 256;  // bytes of a key or name

// As newly made, but for the room of some of its lists: what is not named cannot stay behind.
template <class T, class... Lists>
void renew(T& object, Lists T::*... lists) {
  T fresh;
  (empty(object.*lists, kKept), ...);
  ((fresh.*lists).swap(object.*lists), ...);
  object = std::move(fresh);
}

}  // namespace

void LimitUse::recycle() {
  lease.drop();
  backends::Reserve again;
  empty(asked.key, kKeptKey);
  empty(asked.name, kKeptKey);
  empty(asked.windows, kKept);
  again.key.swap(asked.key);
  again.name.swap(asked.name);
  again.windows.swap(asked.windows);
  asked = std::move(again);
  agreed.clear();
  at_once.reset();
  slot.reset();
  local.reset();
  rule = 0;
  how = How::Reserve;
  is_held = was_committed = is_local = false;
  accepted_by = 0;
}

void StageOutcome::recycle() {
  using O = StageOutcome;
  renew(*this, &O::would, &O::limits, &O::greylists, &O::actions, &O::acted, &O::marks, &O::seen,
        &O::points, &O::exemptions, &O::skipped, &O::unknown);
}

void StageEvent::recycle() {
  renew(*this, &StageEvent::limits, &StageEvent::greylists, &StageEvent::acted);
}

void Transaction::recycle() {
  using T = Transaction;
  renew(*this, &T::limits, &T::promotions, &T::seen, &T::marks, &T::actions, &T::at_data_greylists,
        &T::claims);
}

}  // namespace sluice::engine
