// The value of a Content-Type or Content-Disposition field and its parameters (RFC 2045 5.1, RFC
// 2231): what it is, and where readers of it could disagree.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::facts {

inline constexpr std::size_t kMaxParameters = 64;  // of one field; further ones are not looked at
inline constexpr std::size_t kMaxParameterBytes = 4'096;

struct MimeField {
  std::string value;  // "text/plain", "attachment": folded, without comments
  std::vector<std::pair<std::string, std::string>>
      parameters;          // folded names; values in UTF-8, continuations joined
  bool ambiguous = false;  // a parameter given twice, a broken quoted string

  // First of that name; empty when absent.
  std::string_view parameter(std::string_view name) const;
};

// Total: any bytes give a field. Linear in the length.
MimeField parse_mime_field(std::string_view text);

// Bytes in a named charset as UTF-8; unknown charsets and broken sequences give `?` for what cannot
// be read.
std::string to_utf8(std::string_view bytes, std::string_view charset);

}  // namespace sluice::facts
