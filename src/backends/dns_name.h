// Domain names as the resolver takes and gives them: lower case, no final dot, "" is the root.
//
// RFC 1035 2.3.4: labels of 1 to 63 bytes, 253 characters in all. Bytes of a label are printable
// ASCII without backslash: what could be mistaken further on (NUL, line ends, escapes) never
// becomes a question. Underscores pass, and blanks, which SPF macros make (RFC 7208 7.1).
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/ip_address.h"

namespace sluice::backends {

inline constexpr std::size_t kMaxDnsName = 253;
inline constexpr std::size_t kMaxDnsLabel = 63;

// nullopt: no such name can be asked for. One final dot is taken off; "." is the root.
std::optional<std::string> canonical_dns_name(std::string_view text);

// "9.113.0.203.in-addr.arpa" or 32 nibbles under ip6.arpa back to the address.
std::optional<IpAddress> address_of_reverse_name(std::string_view name);

}  // namespace sluice::backends
