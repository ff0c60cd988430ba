// What must hold for every reply of every scanner: the cut of the stream changes nothing, the
// answer is bounded and printable, a score is a number.
#pragma once
#include <cmath>
#include <cstdint>
#include <string>

#include "backends/scan_protocol.h"
#include "require.h"

namespace sluice::fuzz {

inline std::string told(const Result<backends::ScanFindings>& found) {
  if (!found) return "error " + found.error().what;
  std::string text = std::to_string(found->spam.score) + found->spam.action;
  for (const std::string& symbol : found->spam.symbols) text += "," + symbol;
  return text + found->virus.name.value_or("");
}

inline Result<backends::ScanFindings> read_reply(const backends::ScanProtocol& protocol,
                                                 std::string_view bytes, std::size_t cut) {
  const auto reply = protocol.reply();
  for (std::size_t at = 0; at < bytes.size(); at += cut)
    if (auto outcome = reply->feed(bytes.substr(at, cut))) return *outcome;
  return reply->close();
}

inline void check_word(const std::string& word) {
  require(word.size() <= backends::kMaxSymbol, "words are bounded");
  for (const char c : word) require(c >= 0x20 && c < 0x7f, "words are printable");
}

inline void check_reply(const backends::ScanProtocol& protocol, std::string_view bytes) {
  const auto whole = read_reply(protocol, bytes, bytes.size() + 1);
  for (const std::size_t cut : {1u, 13u})
    require(told(read_reply(protocol, bytes, cut)) == told(whole), "the cut changes nothing");
  if (!whole) return;
  require(whole->spam.available != whole->virus.available, "an answer is of one kind");
  require(std::isfinite(whole->spam.score), "a score is a number");
  require(whole->spam.symbols.size() <= backends::kMaxSymbols, "symbols are bounded");
  for (const std::string& symbol : whole->spam.symbols) check_word(symbol);
  check_word(whole->spam.action);
  check_word(whole->virus.name.value_or(""));
}

// The bytes as they are, and behind a right beginning.
inline void check_replies(const backends::ScanProtocol& protocol, const std::uint8_t* bytes,
                          std::size_t size, const std::string& beginning) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  check_reply(protocol, text);
  check_reply(protocol, beginning + std::string(text));
}

}  // namespace sluice::fuzz
