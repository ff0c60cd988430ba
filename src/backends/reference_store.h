// ReferenceStore: the plainest store there is, and the truth that the others are tested against. It
// keeps every event with its time and computes each answer from the definitions in state_store.h;
// nothing is cached, nothing is bounded, nothing survives it. `sluice test` and `sluice explain`
// run on it.
//
// Threads: any; one operation at a time. submit() answers before it returns.
// The clock must outlive the store.
#pragma once
#include <memory>

#include "backends/state_store.h"

namespace sluice::backends {

class ReferenceStore final : public StateStore {
 public:
  explicit ReferenceStore(const Clock& clock);
  ~ReferenceStore() override;

  void submit(std::vector<StateOp> ops, StateDone done) override;
  bool answers_at_once() const override { return true; }
  std::vector<StateEntry> show(const StateQuery& query) override;
  std::size_t forget(StateEntry::Kind kind, const std::string& filter) override;
  std::size_t grant(const std::string& filter, std::int64_t extra, Duration keep) override;
  StateHealth health() const override;
  // What a new process would find if the rest had been kept: nothing is reserved, no settled id is
  // remembered.
  void restart();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::backends
