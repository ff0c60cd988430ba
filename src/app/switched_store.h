// SwitchedStore: a state store that tests can take away (`store: down`).
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "backends/state_store.h"

namespace sluice::app {

class SwitchedStore final : public backends::StateStore {
 public:
  explicit SwitchedStore(backends::StateStore& behind) : behind_(behind) {}
  void take_away(bool away) { is_away_ = away; }

  void submit(std::vector<backends::StateOp> ops, backends::StateDone done) override {
    if (!is_away_) return behind_.submit(std::move(ops), std::move(done));
    backends::StateAnswer nothing;
    nothing.available = false;
    done(std::vector<backends::StateAnswer>(ops.size(), nothing));
  }
  std::vector<backends::StateEntry> show(const backends::StateQuery& query) override {
    return behind_.show(query);
  }
  std::size_t forget(backends::StateEntry::Kind kind, const std::string& filter) override {
    return behind_.forget(kind, filter);
  }
  std::size_t grant(const std::string& filter, std::int64_t extra, Duration keep) override {
    return behind_.grant(filter, extra, keep);
  }
  backends::StateHealth health() const override {
    backends::StateHealth health = behind_.health();
    health.available = !is_away_;
    return health;
  }

 private:
  backends::StateStore& behind_;
  bool is_away_ = false;
};

}  // namespace sluice::app
