// How texts are compared (LANGUAGE 9c): every comparison, list, table and counter key of the
// language goes through the keys made here, so that they all fold alike.
//   Exact    octet by octet (words of an enum)
//   Text     without case (simple folding)
//   Domain   as lower-case A-labels; what is no domain name as Text
//   Address  domain as above, local part without case (or exact where the site says so), needless
//   quotes taken off
// Threads: any. Idempotent: the key of a key is the key.
#pragma once
#include <string>
#include <string_view>

#include "policy/type.h"

namespace sluice::policy {

enum class Matching : std::uint8_t { Exact, Text, Domain, Address };

// For one text: Enum is Exact, other kinds that are no text count as Text.
Matching matching_of(Kind kind);
// For two that are compared: an address or a domain decides how the other is read.
Matching matching_of(Kind a, Kind b);

// The key of `text`: `text` itself where it is in key form already (the usual case, nothing is
// copied), else `scratch`.
std::string_view matching_key(std::string_view text, Matching matching, bool fold_local_part,
                              std::string& scratch);

bool matches(std::string_view a, std::string_view b, Matching matching, bool fold_local_part);

}  // namespace sluice::policy
