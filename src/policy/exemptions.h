// What exemptions reach (LANGUAGE 4): selectors resolved to rules, and the errors of exemptions
// that cannot help (E601, E602, W603, E604). Private to policy/.
#pragma once
#include <vector>

#include "policy/compilation.h"
#include "policy/program.h"

namespace sluice::policy {

// Fills Rule::exempts of every exemption. `rules` stand in the order of c.source.rules.
void resolve_exemptions(Compilation& c, std::vector<Rule>& rules);

// `*` stands for any number of characters.
bool matches_glob(std::string_view pattern, std::string_view name);

}  // namespace sluice::policy
