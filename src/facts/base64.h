// Base 64 (RFC 4648 4) as signatures and keys carry it: blanks and line ends between the letters
// mean nothing, the padding must be right.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace sluice::facts {

// nullopt: a letter outside the alphabet, or padding that does not fit.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace sluice::facts
