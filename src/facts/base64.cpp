#include "facts/base64.h"

#include <cstdint>

namespace sluice::facts {

namespace {

// 0 to 63, or -1.
int letter_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

}  // namespace

std::optional<std::string> decode_base64(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t group = 0;
  int letters = 0, padding = 0;
  for (const char c : text) {
    if (is_blank(c)) continue;
    if (c == '=') {
      if (++padding > 2) return std::nullopt;
      continue;
    }
    const int value = letter_value(c);
    if (value < 0 || padding > 0) return std::nullopt;
    group = group << 6 | static_cast<std::uint32_t>(value);
    if (++letters % 4 != 0) continue;
    for (const int shift : {16, 8, 0}) out.push_back(static_cast<char>(group >> shift & 0xff));
    group = 0;
  }
  const int left = letters % 4;
  if (left == 1 || (left == 0 && padding != 0) || (left != 0 && left + padding != 4))
    return std::nullopt;
  // The bits behind the last octet must be zero, or several texts would mean one key or signature.
  if (left == 2 && (group & 0xf) != 0) return std::nullopt;
  if (left == 3 && (group & 0x3) != 0) return std::nullopt;
  if (left >= 2) out.push_back(static_cast<char>(group >> (left == 2 ? 4 : 10) & 0xff));
  if (left == 3) out.push_back(static_cast<char>(group >> 2 & 0xff));
  return out;
}

}  // namespace sluice::facts
