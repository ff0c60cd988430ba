// ReplaySummary: what a policy would have answered to the mail of a log: totals, rules with
// samples, and of what it refuses how much the log says was received then. ReplayComparison: what
// changes between two policies.
//
// A refusal is counted for each recipient. Bounded by the rules of the policies and by
// RuleEvidence. One thread.
#pragma once
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "app/replay_event.h"
#include "app/replay_player.h"
#include "app/rule_evidence.h"

namespace sluice::app {

// What a rule did, and to how many recipients whose mail had been accepted.
struct RuleToll {
  RuleEvidence evidence;
  std::uint64_t accepted_then = 0;
  std::uint64_t weak = 0;  // a retry may pass
};
using RuleTolls = std::map<std::string, RuleToll>;

inline constexpr std::size_t kMaxTolls = 5'000;

class ReplaySummary {
 public:
  void add(const ReplayEvent& event, const std::vector<Ruling>& rulings);

  std::uint64_t messages() const { return messages_; }
  std::uint64_t recipients() const { return recipients_; }
  std::uint64_t refused() const { return recipients_ - counts_[0]; }
  std::uint64_t of(mail::Action action) const { return counts_[static_cast<std::size_t>(action)]; }
  const RuleTolls& rules() const { return rules_; }

  std::string text() const;
  void tell(nlohmann::ordered_json& json) const;

 private:
  std::uint64_t messages_ = 0, recipients_ = 0, refused_then_ = 0, accepted_then_ = 0,
                not_told_ = 0, weak_ = 0;
  std::array<std::uint64_t, 6> counts_{};  // by mail::Action
  TimePoint first_{}, last_{};
  RuleTolls rules_;
};

class ReplayComparison {
 public:
  void add(const ReplayEvent& event, const std::vector<Ruling>& before,
           const std::vector<Ruling>& after);

  std::uint64_t changed() const { return changed_; }
  std::uint64_t same() const { return same_; }

  std::string text() const;
  void tell(nlohmann::ordered_json& json) const;

 private:
  RuleTolls newly_, no_longer_, differently_;  // by rule; "old -> new"
  std::uint64_t changed_ = 0, same_ = 0;
};

}  // namespace sluice::app
