// rooms: mail
// Folding, log values, diagnostics and reply texts: bytes of strangers that end up in keys, logs
// and on the wire.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/diagnostic.h"
#include "base/text.h"
#include "base/utf8.h"
#include "mail/reply.h"
#include "require.h"

namespace {

using namespace sluice;
using namespace sluice::mail;
using fuzz::require;

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<std::uint8_t>(c) < 0x20 || c == 0x7F; });
}

void check_folding(const std::string& text) {
  const std::string folded = fold(text);
  require(fold(folded) == folded, "folding again changes nothing");
  require(equal_folded(text, folded), "a text equals its folded form");
  require(is_utf8(text) == is_utf8(folded), "folding keeps what is and what is not UTF-8");
  require(utf8_prefix(text, 16).size() <= 16, "a prefix is no longer than asked");
}

void check_log(const std::string& text) {
  const std::string shown = log_value(text);
  require(!has_control(shown) && is_utf8(shown), "a log value has no controls and is UTF-8");
  if (shown.front() != '"') {
    require(shown.find_first_of(" =\"\\") == std::string::npos, "what is not quoted is one word");
    return;
  }
  require(shown.size() >= 2 && shown.back() == '"', "a quote is closed");
  for (std::size_t i = 1; i + 1 < shown.size(); ++i) {
    require(shown[i] != '"', "a quote inside has a backslash");
    if (shown[i] == '\\') ++i;
    require(i + 1 < shown.size(), "the closing quote is not escaped");
  }
}

void check_reply(const std::string& text, bool utf8) {
  const std::size_t middle = text.size() / 2;
  const auto reply = Reply::make(550, {5, 7, 1}, text, text.substr(middle), utf8);
  require(reply.has_value(), "any text makes a reply");
  require(!reply->lines().empty() && reply->lines().size() <= kMaxReplyLines,
          "a reply has one to ten lines");
  for (const std::string& line : reply->lines()) {
    require(!line.empty() && line.size() <= kMaxReplyText, "a line is neither empty nor too long");
    require(!has_control(line) && (utf8 ? is_utf8(line) : is_ascii(line)), "a line is clean");
  }
  const std::vector<std::string> wire = reply->wire_lines();
  for (std::size_t i = 0; i < wire.size(); ++i) {
    require(wire[i].starts_with(i + 1 < wire.size() ? "550-5.7.1 " : "550 5.7.1 "),
            "all lines carry code and status");
  }
}

void check_diagnostic(const std::string& text) {
  const auto file = std::make_shared<const SourceFile>("f", text);
  const auto octet = [&text](std::size_t i) {
    return i < text.size() ? static_cast<std::uint8_t>(text[i]) : 0U;
  };
  const std::string shown =
      render(Diagnostic{Severity::Error, "E101", text, {file, octet(0) % 8, octet(1), octet(2)}});
  const auto lines = std::count(shown.begin(), shown.end(), '\n');
  require(lines == 1 || lines == 3, "a diagnostic has three lines, or one without a source line");
  if (lines == 3) require(shown.find('^') != std::string::npos, "a diagnostic points somewhere");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  check_folding(text);
  check_log(text);
  check_reply(text, false);
  check_reply(text, true);
  check_diagnostic(text);
  return 0;
}
