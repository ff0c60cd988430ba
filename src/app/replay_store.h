// ReplayStore: the state of a replay: what the embedded store keeps in memory, without its disk,
// with the same caps. Time is that of the replay's clock; it must not go back.
//
// Threads: one. submit() answers before it returns. Nothing is shown or granted here.
#pragma once
#include "backends/embedded_greylist.h"
#include "backends/embedded_limits.h"
#include "backends/embedded_lists.h"
#include "backends/state_store.h"

namespace sluice::app {

class ReplayStore final : public backends::StateStore {
 public:
  explicit ReplayStore(const Clock& clock);

  void submit(std::vector<backends::StateOp> ops, backends::StateDone done) override;
  std::vector<backends::StateEntry> show(const backends::StateQuery&) override { return {}; }
  std::size_t forget(backends::StateEntry::Kind, const std::string&) override { return 0; }
  std::size_t grant(const std::string&, std::int64_t, Duration) override { return 0; }
  backends::StateHealth health() const override { return {}; }

  std::size_t entries() const {
    return limits_.size() + greylist_.size() + lists_.size() + seen_.size();
  }

 private:
  template <class Op>
  backends::StateAnswer apply(const Op& op, TimePoint now);
  void sweep(TimePoint now);

  const Clock& clock_;
  backends::EmbeddedLimits limits_;
  backends::EmbeddedGreylist greylist_;
  backends::EmbeddedLists lists_;
  backends::EmbeddedSeen seen_;
  std::vector<backends::ChangeSource*> changes_;
  unsigned turn_ = 0;
};

}  // namespace sluice::app
