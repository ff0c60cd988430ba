// SwitchedStore: a state store that tests can take away (`store: down`).
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "backends/store_in_front.h"

namespace sluice::app {

class SwitchedStore final : public backends::StoreInFront {
 public:
  using StoreInFront::StoreInFront;
  void take_away(bool away) { is_away_ = away; }

  void submit(std::vector<backends::StateOp> ops, backends::StateDone done) override {
    if (!is_away_) return behind_.submit(std::move(ops), std::move(done));
    backends::StateAnswer nothing;
    nothing.available = false;
    done(std::vector<backends::StateAnswer>(ops.size(), nothing));
  }
  backends::StateHealth health() const override {
    backends::StateHealth health = behind_.health();
    health.available = !is_away_;
    return health;
  }

 private:
  bool is_away_ = false;
};

}  // namespace sluice::app
