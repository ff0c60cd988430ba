// The effective policy as text, for `sluice check --show`: includes in place, changes applied,
// expressions in their normal form, and behind every key the file and line that it comes from.
#pragma once
#include <string>

#include "policy/policy_source.h"

namespace sluice::policy {

// Longer lists and tables are cut, with the number of what is left out.
inline constexpr std::size_t kMaxShownItems = 20;

std::string render_source(const PolicySource& source);
// One action in its normal form: "add client.ip to $blocked for 1d unless inside".
std::string render_action(const ActionSource& action);

}  // namespace sluice::policy
