// CountedStore: hands everything on to a state store and counts it for the metrics: operations by
// kind and result, how long submissions took, what limits and greylists answered.
//
// Threads: as StateStore.
#pragma once
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "app/counters.h"
#include "backends/reserves_at_once.h"
#include "backends/store_in_front.h"

namespace sluice::app {

class CountedStore final : public backends::StoreInFront, public backends::ReservesAtOnce {
 public:
  static constexpr std::size_t kMaxLimits = 500;  // with a count of their own; the rest is "other"

  explicit CountedStore(backends::StateStore& behind);

  void submit(std::vector<backends::StateOp> ops, backends::StateDone done) override;
  bool answers_at_once() const override { return behind_.answers_at_once(); }
  std::optional<backends::StateAnswer> reserve_at_once(const backends::Reserve& op) override;
  bool commit_at_once(std::span<const backends::Reserve* const> reserved) override;

  struct OpCount {
    const char* op;  // reserve, peek, commit, …
    std::uint64_t ok = 0, away = 0;
  };
  struct LimitCount {
    std::string limit;
    std::uint64_t granted = 0, exceeded = 0;
  };
  struct GreylistCount {
    const char* result;  // new, waiting, ready, passed, auto_allowed
    std::uint64_t n = 0;
  };
  std::vector<OpCount> ops() const;
  std::vector<LimitCount> limits() const;
  std::vector<GreylistCount> greylist() const;
  DurationCounts durations() const;

 private:
  struct Counts;
  backends::ReservesAtOnce* const at_once_;  // the store behind, if it can
  std::shared_ptr<Counts> counts_;  // completions may come after everything else is gone
};

}  // namespace sluice::app
