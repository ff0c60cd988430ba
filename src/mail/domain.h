// Domain names as keys: lower-case A-labels (UTS-46 non-transitional).
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace sluice::mail {

inline constexpr std::size_t kMaxDomain = 255;  // octets, RFC 5321 4.5.3.1.2
inline constexpr std::size_t kMaxLabel = 63;    // octets, RFC 1035 2.3.4

// The A-label form, lower case, without a final dot; nullopt when the text is no domain name (RFC 5321 2.3.5: letters,
// digits, inner hyphens; at least one label; U-labels accepted). One final dot is taken off. "xn--" labels are letters,
// digits and hyphens like any other: whether they decode is left to the DNS, so that no registered name is refused.
// Idempotent.
std::optional<std::string> to_ascii_domain(std::string_view text);
// The text ends with a dot, or with one of the three characters that UTS-46 takes for a dot.
bool has_final_dot(std::string_view text);
// Same domain or below it, by labels, never by string suffix. Both in A-label form.
bool is_under(std::string_view domain, std::string_view parent);
// The canonical form of an address literal with its brackets (RFC 5321 4.1.3): "[192.0.2.1]", "[IPv6:2001:db8::1]";
// mapped IPv4 becomes IPv4. By that grammar octets are decimal with zeros in front too, and "::" stands for two groups at
// least. nullopt for anything else: IPv6 is the only tag that was ever registered.
std::optional<std::string> to_address_literal(std::string_view text);
// RFC 5321 4.1.1.1 argument of HELO/EHLO: a domain or an address literal.
bool is_valid_helo(std::string_view argument);
// A domain name of at least two labels, the last not all digits.
bool is_fully_qualified(std::string_view name);

}  // namespace sluice::mail
