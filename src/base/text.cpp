#include "base/text.h"

#include <algorithm>

#include "base/case_folding.h"
#include "base/utf8.h"

namespace sluice {
namespace {

char fold_ascii(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool is_blank(char c) { return c == ' ' || c == '\t'; }

}  // namespace

std::string fold(std::string_view text) {
  std::string folded;
  folded.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    if (static_cast<std::uint8_t>(text[at]) < 0x80) {
      folded += fold_ascii(text[at++]);
      continue;
    }
    const CodePoint point = decode_utf8(text, at);
    if (point.length == 0) {
      folded += text[at++];
      continue;
    }
    append_utf8(folded, fold_code_point(point.value));
    at += point.length;
  }
  return folded;
}

bool equal_folded(std::string_view a, std::string_view b) {
  if (is_ascii(a) && is_ascii(b)) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return fold_ascii(x) == fold_ascii(y); });
  }
  return fold(a) == fold(b);
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  parts.reserve(static_cast<std::size_t>(std::count(text.begin(), text.end(), separator)) + 1);
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

}  // namespace sluice
