// DenyCache: refusals that a shared store has given and that hold until their time is over: who is
// refused by committed use alone cannot pass before it, whatever anybody else does. Until then the
// answer costs no call. Resets and grants clear it.
//
// Not thread-safe. Moments are those of one steady clock.
#pragma once
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "backends/state_store.h"
#include "base/text.h"

namespace sluice::backends {

inline constexpr std::size_t kMaxRemembered = 100'000;  // refusals, and ids that are held

class DenyCache {
 public:
  // Keeps it when it is a refusal that lasts.
  void remember(const Reserve& asked, const StateAnswer& answer, Duration moment);
  void remember(const Peek& asked, const StateAnswer& answer, Duration moment);
  // The refusal of as many units or fewer under the same windows; its wait is what is left of it.
  std::optional<StateAnswer> find(const Reserve& asked, Duration moment);
  std::optional<StateAnswer> find(const Peek& asked, Duration moment);
  void clear() { denials_.clear(); }
  bool empty() const { return denials_.empty(); }

  // What is held answers what it has answered before, refused or not.
  void hold(ReservationId id);
  void settle(ReservationId id) { held_.erase(id); }

 private:
  struct Denial {
    std::int64_t n = 1;
    std::vector<Window> windows;
    std::optional<Bucket> bucket;
    StateAnswer answer;
    Duration until{};
  };
  template <class Op>
  void keep(const Op& asked, const StateAnswer& answer, Duration moment);
  template <class Op>
  std::optional<StateAnswer> look(const Op& asked, Duration moment);

  std::unordered_map<std::string, Denial, KeyedHash> denials_;
  std::unordered_set<ReservationId> held_;
  bool knows_all_held_ = true;
};

}  // namespace sluice::backends
