// ShadowEvidence: what the shadow rules would have answered, to how many senders and clients, with
// samples: what an admin decides on before a rule is enforced. Kept by the service for `sluice
// shadow`, filled from a decision log by `sluice shadow --from`, and from the past by `sluice
// replay`.
//
// It counts from the beginning of the policy's generation: the first decision of a new one starts
// everything anew, those of sessions that still hold an older one do not count.
//
// Threads: any. Bounded by kMaxRules and by RuleEvidence.
#pragma once
#include <deque>
#include <iosfwd>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "app/control.h"
#include "app/rule_evidence.h"
#include "engine/decision.h"
#include "policy/program.h"

namespace sluice::app {

class ShadowEvidence final : public engine::DecisionSink {
 public:
  static constexpr std::size_t kMaxRules = 2'000;
  static constexpr std::size_t kMaxRetired = 16;

  bool reads_texts(const engine::DecisionRecord& record) const override {
    return !record.would.empty();
  }
  void decided(const engine::DecisionRecord& record) override;

  struct Snapshot {
    std::string policy;  // "mx-example@2026-11-23.1#5f3a"; empty: nothing decided yet
    TimePoint since{};
    std::uint64_t decisions = 0;                // of that generation
    std::map<std::string, RuleEvidence> rules;  // by name
  };
  Snapshot snapshot() const;

 private:
  bool is_current(const engine::DecisionRecord& record);

  mutable std::mutex mutex_;
  Snapshot now_;
  std::deque<std::string> retired_;
};

// Names of the rules that are in shadow, or enforced for a part of the clients only.
std::vector<std::string> shadow_rules(const policy::Program& program);
// For people and scripts; rules of `names` that did nothing are told too.
ControlReply render_shadow(const ShadowEvidence::Snapshot& evidence,
                           const std::vector<std::string>& names);

}  // namespace sluice::app
