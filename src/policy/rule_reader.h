// Rules as written: an entry of `rules:` and the `set:` of a change. Private to the front half of
// policy/.
#pragma once
#include <optional>
#include <span>

#include "policy/policy_source.h"

namespace sluice::policy {

// An entry of `rules:` in file number `file`. Empty when it is not a map or has no kind and name;
// everything else that is wrong is said, and the rule is read as far as it goes.
std::optional<RuleSource> read_rule(const YamlNode& node, std::size_t file,
                                    Diagnostics& diagnostics);

// The keys of `set:`, each in place of the rule's own; `file` is the file of the change.
void change_rule(RuleSource& rule, const YamlNode& set, std::size_t file, Diagnostics& diagnostics);

// The keys a rule of this kind may have, its first key (rule, limit, ...) left out.
std::vector<std::string_view> rule_keys(RuleKind kind);

}  // namespace sluice::policy
