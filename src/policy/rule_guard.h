// RuleGuard: the part of a condition by which a rule can be found. Private to policy/.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "policy/code.h"

namespace sluice::policy {

struct RuleGuard {
  enum class Form : std::uint8_t { Equal, Under, StartsWith, EndsWith, Pattern };
  Form form = Form::Equal;
  FactIndex fact = 0;
  Matching matching = Matching::Exact;
  std::vector<std::string> keys;        // one of them must fit; in key form
  const re2::RE2* pattern = nullptr;    // Form::Pattern

  // Rules with the same fact, form and matching are found by one look-up.
  bool is_like(const RuleGuard& other) const {
    return form == other.form && fact == other.fact && matching == other.matching;
  }
};

// nullopt: the condition can be true without it.
std::optional<RuleGuard> guard_of(const Code& code, const std::vector<UsedFact>& facts,
                                  NodeId condition);

}  // namespace sluice::policy
