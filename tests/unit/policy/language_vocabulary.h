// The facts of the language as tests of the policy room see them: names, types and stages, nobody
// who answers.
#pragma once
#include "policy/vocabulary.h"

namespace sluice::policy::testing {

const Vocabulary& language_vocabulary();

}  // namespace sluice::policy::testing
