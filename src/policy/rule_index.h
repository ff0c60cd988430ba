// RuleIndex: which rules of a stage can match at all, found by the text of a fact instead of by
// trying each of them. Private to policy/; Program::candidates() asks it.
//
// A rule is indexed when its condition is false unless a fact that costs nothing has a text that
// equals, begins with, ends with or lies under one of its constants, or is matched by one of its
// regular expressions. A fact that is pending or unknown makes all of its rules candidates.
// Immutable. Threads: any.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "policy/code.h"

namespace sluice::policy {

class RuleIndex {
 public:
  using Place = std::uint32_t;  // among the rules of the phase

  // The deciders of one stage, in file order.
  RuleIndex(const Program& program, const Code& code, mail::Stage stage);
  ~RuleIndex();
  RuleIndex(const RuleIndex&) = delete;
  RuleIndex& operator=(const RuleIndex&) = delete;

  // Replaces `out` by the rules that have to be tried, in file order. Asks facts, like a condition.
  void candidates(FactSource& facts, std::vector<RuleId>& out) const;

 private:
  class Group;

  const std::vector<RuleId>& rules_;
  const bool fold_local_part_;
  std::vector<Place> always_;  // not indexed
  std::vector<std::unique_ptr<Group>> groups_;
};

}  // namespace sluice::policy
