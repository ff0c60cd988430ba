// Simple case folding of one code point: Unicode's CaseFolding.txt, statuses C and S; one code
// point in, one out. What only full folding would change (sharp s to "ss") stays as it is.
// Idempotent.
#pragma once

namespace sluice {

char32_t fold_code_point(char32_t code_point);

}  // namespace sluice
