#include "engine/footer.h"

#include "base/text.h"
#include "base/utf8.h"
#include "facts/mime_structure.h"

namespace sluice::engine {

namespace {

constexpr std::size_t kQuotedLine = 72;  // of quoted-printable, which allows 76 (RFC 2045 6.7)

std::string with_crlf(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '\n' ? std::string("\r\n") : std::string(1, c);
  return out;
}

std::string quoted_printable(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  std::size_t column = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == '\n') {
      out += "\r\n";
      column = 0;
      continue;
    }
    if (column >= kQuotedLine) {
      out += "=\r\n";
      column = 0;
    }
    const bool ends_line = i + 1 == text.size() || text[i + 1] == '\n';
    const bool plain = (byte > ' ' && byte < 0x7f && byte != '=') || (byte == ' ' && !ends_line);
    if (plain) {
      out.push_back(text[i]);
      ++column;
    } else {
      out += {'=', kHex[byte >> 4], kHex[byte & 15]};
      column += 3;
    }
  }
  return out;
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  for (const std::string_view word : words) {
    if (text == word) return true;
  }
  return false;
}

}  // namespace

std::optional<std::string> body_with_footer(const mail::Message& message,
                                            std::string_view footer) {
  if (message.body_truncated || message.body.size() != message.body_bytes) return std::nullopt;
  const facts::MimeStructure structure = facts::parse_structure(message.headers, message.body);
  if (structure.ambiguous || structure.parts.empty()) return std::nullopt;
  const facts::MimePart& top = structure.parts.front();
  if (top.type.value != "text/plain") return std::nullopt;
  const bool is_quoted = top.encoding == "quoted-printable";
  if (!is_quoted && !is_one_of(top.encoding, {"", "7bit", "8bit", "binary"})) return std::nullopt;
  const bool says_utf8 = equal_folded(top.type.parameter("charset"), "utf-8");
  const bool carries_bytes = is_quoted || is_one_of(top.encoding, {"8bit", "binary"});
  if (!is_ascii(footer) && !(says_utf8 && carries_bytes)) return std::nullopt;
  std::string body = message.body;
  if (!body.empty() && body.back() != '\n') body += "\r\n";
  body += is_quoted ? quoted_printable(footer) : with_crlf(footer);
  if (body.back() != '\n') body += "\r\n";
  return body;
}

}  // namespace sluice::engine
