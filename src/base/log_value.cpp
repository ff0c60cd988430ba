#include "base/log_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "base/utf8.h"

namespace sluice {
namespace {

constexpr std::size_t kMaxLogValue = 256;  // octets of a value that a log line keeps

// Marks that change how the rest of a line looks on a terminal: directions, zero widths,
// separators, C1 controls.
bool is_deceptive(char32_t c) {
  return (c >= 0x80 && c <= 0x9F) || c == 0xAD || c == 0x61C || (c >= 0x200B && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF ||
         (c >= 0xFFF9 && c <= 0xFFFB) || (c >= 0xE0000 && c <= 0xE007F);
}

void append_escaped(std::string& out, std::string_view octets) {
  for (const char c : octets) out += fmt::format("\\x{:02x}", static_cast<std::uint8_t>(c));
}

// Appends what a log shows of the code point at `at`; returns how many octets were taken.
std::size_t append_log_point(std::string& out, std::string_view text, std::size_t at) {
  const CodePoint point = decode_utf8(text, at);
  const std::size_t length = std::max<std::size_t>(point.length, 1);
  const std::string_view octets = text.substr(at, length);
  if (point.length == 0 || point.value < 0x20 || point.value == 0x7F || is_deceptive(point.value)) {
    append_escaped(out, octets);
  } else {
    if (point.value == '"' || point.value == '\\') out += '\\';
    out += octets;
  }
  return length;
}

enum class Looks : std::uint8_t { Plain = 0, Quoted = 1, Escaped = 2 };

// How a value is written; nearly every one is plain.
Looks looks_of(std::string_view text) {
  static constexpr auto kOf = [] {
    std::array<std::uint8_t, 256> of{};
    for (unsigned c = 0; c < of.size(); ++c)
      of[c] = c < 0x20 || c >= 0x7F || c == '"' || c == '\\' ? 2 : c == ' ' || c == '=' ? 1 : 0;
    return of;
  }();
  if (text.size() > kMaxLogValue) return Looks::Escaped;
  unsigned found = text.empty() ? 1 : 0;
  for (const char c : text) found |= kOf[static_cast<std::uint8_t>(c)];
  return found >= 2 ? Looks::Escaped : static_cast<Looks>(found);
}

bool is_quoted(std::string_view text) {
  return text.empty() ||
         std::any_of(text.begin(), text.end(), [](char c) { return c == ' ' || c == '='; });
}

}  // namespace

void append_log_value(std::string& line, std::string_view text) {
  switch (looks_of(text)) {
    case Looks::Plain:
      line.append(text);
      return;
    case Looks::Quoted:
      line.append("\"").append(text).append("\"");
      return;
    case Looks::Escaped:
      break;
  }
  const std::string_view kept = utf8_prefix(text, kMaxLogValue);
  std::string shown;
  for (std::size_t at = 0; at < kept.size();) at += append_log_point(shown, kept, at);
  if (kept.size() < text.size()) shown += "...";
  const bool plain = shown == text && !is_quoted(shown);
  line += plain ? shown : '"' + shown + '"';
}

std::string log_value(std::string_view text) {
  std::string value;
  append_log_value(value, text);
  return value;
}

}  // namespace sluice
