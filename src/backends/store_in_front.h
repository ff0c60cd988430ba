// StoreInFront: a state store that stands in front of another one. Everything but submit() goes on as
// it is; who derives from it says what becomes of the operations of sessions.
//
// Threads: as the store behind it, which outlives this one.
#pragma once
#include <string>
#include <vector>

#include "backends/state_store.h"

namespace sluice::backends {

class StoreInFront : public StateStore {
 public:
  explicit StoreInFront(StateStore& behind) : behind_(behind) {}

  // answers_at_once() is not handed on: what stands in front may answer later.
  bool flush(Duration most) override { return behind_.flush(most); }
  std::vector<StateEntry> show(const StateQuery& query) override { return behind_.show(query); }
  std::size_t forget(StateEntry::Kind kind, const std::string& filter) override {
    return behind_.forget(kind, filter);
  }
  std::size_t grant(const std::string& filter, std::int64_t extra, Duration keep) override {
    return behind_.grant(filter, extra, keep);
  }
  StateHealth health() const override { return behind_.health(); }

 protected:
  StateStore& behind_;
};

}  // namespace sluice::backends
