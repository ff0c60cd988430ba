// SPAMC/1.5 as spamd 4.0 speaks it (SpamAssassin's spamd/PROTOCOL):
//   SYMBOLS SPAMC/1.5 | Content-length: N | | the message
//   SPAMD/1.1 0 EX_OK | Content-length: 27 | Spam: True ; 1000.0 / 5.0 | | GTUBE,NO_RECEIVED
#include <charconv>
#include <cmath>

#include "backends/headed_scan_reply.h"
#include "base/text.h"

namespace sluice::backends {
namespace {

// "True ; 1000.0 / 5.0"
std::optional<double> score_of(std::string_view field) {
  const std::size_t semicolon = field.find(';');
  if (semicolon == std::string_view::npos) return std::nullopt;
  const std::string_view score =
      trim(field.substr(semicolon + 1, field.find('/', semicolon) - semicolon - 1));
  double value = 0;
  const auto [end, error] = std::from_chars(score.data(), score.data() + score.size(), value);
  if (score.empty() || error != std::errc() || end != score.data() + score.size() ||
      !std::isfinite(value))
    return std::nullopt;
  return value;
}

std::vector<std::string> symbols_of(std::string_view body) {
  std::vector<std::string> symbols;
  for (std::size_t at = 0; at < body.size() && symbols.size() < kMaxSymbols;) {
    const std::size_t end = std::min(body.find_first_of(",\r\n", at), body.size());
    const std::string symbol = scan_word(trim(body.substr(at, end - at)));
    if (!symbol.empty()) symbols.push_back(symbol);
    at = end + 1;
  }
  return symbols;
}

Result<ScanFindings> spamd_says(const HeadedReply& reply) {
  const auto words = split(reply.first_line(), ' ');
  if (words.size() < 2 || words[0].substr(0, 6) != "SPAMD/")
    return temporary("spamd's reply is none: " + scan_word(reply.first_line()));
  if (words[1] != "0") return temporary("spamd says: " + scan_word(reply.first_line()));
  const std::string* spam = reply.field("Spam");
  const auto score = spam != nullptr ? score_of(*spam) : std::nullopt;
  if (!score) return temporary("spamd's reply has no score");
  ScanFindings found;
  found.spam.available = true;
  found.spam.score = *score;
  found.spam.symbols = symbols_of(reply.body());
  return found;
}

class SpamdProtocol final : public ScanProtocol {
 public:
  std::string_view name() const override { return "spamd"; }
  std::string head(const ScanEnvelope& envelope, std::size_t message_bytes) const override {
    std::string sender = scan_field(envelope.sender);
    if (sender.empty() || sender.front() != '<') sender = "<" + sender + ">";
    const std::string path = "Return-Path: " + sender + "\r\n";
    return "SYMBOLS SPAMC/1.5\r\nContent-length: " + std::to_string(path.size() + message_bytes) +
           "\r\n\r\n" + path;
  }
  std::unique_ptr<ScanReply> reply() const override { return std::make_unique<HeadedScanReply>("spamd", kMaxSpamdReply, spamd_says); }
};

}  // namespace

std::unique_ptr<ScanProtocol> make_spamd_protocol() { return std::make_unique<SpamdProtocol>(); }

std::string scan_field(std::string_view value) {
  std::string out(value.substr(0, kMaxScanField));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return out;
}

std::string scan_word(std::string_view word) {
  std::string out(word.substr(0, kMaxSymbol));
  for (char& c : out) {
    if (c < 0x20 || c >= 0x7f) c = '?';
  }
  return out;
}

}  // namespace sluice::backends
