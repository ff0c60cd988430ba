// One action of `then:` (LANGUAGE 10 and ruling 19): reject, defer, header, add … to $list, and so
// on.
#pragma once
#include <optional>
#include <string>

#include "policy/policy_source.h"

namespace sluice::policy {

// E401 when the words do not make an action, E201 inside of its expressions. Whether a code is in
// the table and fits its verb and status is checked when the policy is compiled.
std::optional<ActionSource> parse_action(const Scalar& scalar, Diagnostics& diagnostics);

// `skip`, `match`, `defer [code4 [esc]]`
std::optional<OnUnknown> parse_on_unknown(const Scalar& scalar, Diagnostics& diagnostics);

// True of the actions that decide: at most one in a rule, and the last.
bool is_deciding(ActionSource::Kind kind);
std::string action_verb(ActionSource::Kind kind);  // "reject", "subject prefix"

}  // namespace sluice::policy
