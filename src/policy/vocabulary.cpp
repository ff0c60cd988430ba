#include "policy/vocabulary.h"

#include <algorithm>

namespace sluice::policy {

Vocabulary::Vocabulary(std::vector<FactSignature> facts) : facts_(std::move(facts)) {
  std::sort(facts_.begin(), facts_.end(),
            [](const FactSignature& a, const FactSignature& b) { return a.name < b.name; });
}

const FactSignature* Vocabulary::find(std::string_view name) const {
  const auto at = std::lower_bound(
      facts_.begin(), facts_.end(), name,
      [](const FactSignature& fact, std::string_view wanted) { return fact.name < wanted; });
  return at != facts_.end() && at->name == name ? &*at : nullptr;
}

}  // namespace sluice::policy
