// Replies of a policy against the catalogue (E402, E403, E404) and their form after `reply_codes:
// rfc`. Private to policy/.
#pragma once
#include <optional>

#include "policy/findings.h"
#include "policy/program.h"

namespace sluice::policy {

// The deciding action as the engine answers it. nullopt: it is not one, or an error was reported.
std::optional<Decision> check_decision(const ActionSource& action, ReplyCodes codes,
                                       Findings& findings);
// `on_unknown: defer CODE ESC`. False: an error was reported.
bool check_on_unknown(const OnUnknown& written, Findings& findings);

}  // namespace sluice::policy
