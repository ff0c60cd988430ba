// Authentication-Results fields (RFC 8601): the one of this host, and those that others have forged
// in its name.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "facts/fact.h"

namespace sluice::facts {

inline constexpr std::string_view kResultsField = "Authentication-Results";
inline constexpr std::size_t kMaxClaims = 10'000;  // forged fields that are taken out

// The value of the field: authserv_id of the settings, then what SPF, DKIM, DMARC and ARC gave, one
// line each, folded with "\n\t". What comes from the message or the client is a token or a quoted
// string, in ASCII, at most 256 octets, whatever it was. nullopt: facts are pending.
std::optional<std::string> authentication_results(FactContext& context);

// The authserv-id that a value claims, lower case: behind comments, out of quotes, up to the first
// blank or other character that a domain does not have. Empty: none can be read.
std::string claimed_authserv_id(std::string_view value);

// token, or quoted-string where it must be one (RFC 8601 2.2, RFC 2045 5.1).
std::string results_value(std::string_view text);

}  // namespace sluice::facts
