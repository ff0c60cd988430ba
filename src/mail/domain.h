// Domain names as keys: lower-case A-labels (UTS-46 non-transitional).
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace sluice::mail {

inline constexpr std::size_t kMaxDomain = 255;
inline constexpr std::size_t kMaxLabel = 63;

// The A-label form, lower case, without a final dot; nullopt when the text is no domain name (RFC 5321 2.3.5: letters,
// digits, inner hyphens; at least one label; U-labels accepted).
std::optional<std::string> to_ascii_domain(std::string_view text);
// Same domain or below it, by labels, never by string suffix. Both in A-label form.
bool is_under(std::string_view domain, std::string_view parent);
// RFC 5321 4.1.1.1 argument of HELO/EHLO: a domain or an address literal.
bool is_valid_helo(std::string_view argument);
// At least two labels, the last not all digits.
bool is_fully_qualified(std::string_view name);

}  // namespace sluice::mail
