// Warnings about policies that load, but say something that cannot be meant (W802, W803). Private
// to policy/.
#pragma once
#include <vector>

#include "policy/compilation.h"
#include "policy/program.h"

namespace sluice::policy {

void warn_unreachable(Compilation& c, const std::vector<Rule>& rules);
void warn_unused_lists(Compilation& c);

}  // namespace sluice::policy
