// UTF-8 (RFC 3629) one code point at a time: no overlong forms, no surrogates, nothing above
// U+10FFFF.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice {

struct CodePoint {
  char32_t value = 0;
  std::uint8_t length = 0;  // octets; 0: the text is not well-formed here (or ends here)
};

// The code point that begins at `offset`.
CodePoint decode_utf8(std::string_view text, std::size_t offset);
void append_utf8(std::string& out, char32_t code_point);
bool is_utf8(std::string_view text);
bool is_ascii(std::string_view text);

// The longest beginning of `text` with at most `octets` octets that does not cut a code point in
// two.
std::string_view utf8_prefix(std::string_view text, std::size_t octets);

}  // namespace sluice
