#include "base/utf8.h"

#include <algorithm>

namespace sluice {
namespace {

// What the first octet promises: how many octets, its payload, and the smallest value that needs so
// many.
struct Lead {
  std::uint8_t length;
  std::uint8_t payload;
  char32_t smallest;
};

Lead lead_of(std::uint8_t octet) {
  if (octet < 0x80) return {1, octet, 0};
  if (octet >= 0xC2 && octet <= 0xDF) return {2, static_cast<std::uint8_t>(octet & 0x1F), 0x80};
  if (octet >= 0xE0 && octet <= 0xEF) return {3, static_cast<std::uint8_t>(octet & 0x0F), 0x800};
  if (octet >= 0xF0 && octet <= 0xF4) return {4, static_cast<std::uint8_t>(octet & 0x07), 0x10000};
  return {0, 0, 0};
}

bool is_continuation(char c) { return (static_cast<std::uint8_t>(c) & 0xC0) == 0x80; }

}  // namespace

CodePoint decode_utf8(std::string_view text, std::size_t offset) {
  if (offset >= text.size()) return {};
  const Lead lead = lead_of(static_cast<std::uint8_t>(text[offset]));
  if (lead.length == 0 || text.size() - offset < lead.length) return {};
  char32_t value = lead.payload;
  for (std::size_t i = 1; i < lead.length; ++i) {
    if (!is_continuation(text[offset + i])) return {};
    value = (value << 6) | (static_cast<std::uint8_t>(text[offset + i]) & 0x3FU);
  }
  if (value < lead.smallest || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return {};
  return {value, lead.length};
}

void append_utf8(std::string& out, char32_t code_point) {
  const auto octet = [&out](char32_t bits) {
    out += static_cast<char>(static_cast<std::uint8_t>(bits));
  };
  if (code_point < 0x80) return octet(code_point);
  if (code_point < 0x800) {
    octet(0xC0 | (code_point >> 6));
  } else if (code_point < 0x10000) {
    octet(0xE0 | (code_point >> 12));
    octet(0x80 | ((code_point >> 6) & 0x3F));
  } else {
    octet(0xF0 | (code_point >> 18));
    octet(0x80 | ((code_point >> 12) & 0x3F));
    octet(0x80 | ((code_point >> 6) & 0x3F));
  }
  octet(0x80 | (code_point & 0x3F));
}

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = decode_utf8(text, at);
    if (point.length == 0) return false;
    at += point.length;
  }
  return true;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<std::uint8_t>(c) < 0x80; });
}

std::string_view utf8_prefix(std::string_view text, std::size_t octets) {
  if (text.size() <= octets) return text;
  std::size_t end = octets;
  // A code point has at most four octets: going back further would only find broken text.
  for (int i = 0; i < 3 && end > 0 && is_continuation(text[end]); ++i) --end;
  return text.substr(0, is_continuation(text[end]) ? octets : end);
}

}  // namespace sluice
