// Public suffixes (publicsuffix.org), by libpsl with the system's list. Names are lower-case
// A-labels.
#pragma once
#include <string>
#include <string_view>

namespace sluice::facts {

bool is_public_suffix(std::string_view domain);
// "mail.a.example.co.uk" -> "example.co.uk"; a public suffix, or a name without one, is given back
// as it is.
std::string registrable_domain(std::string_view domain);

}  // namespace sluice::facts
