// clamd's INSTREAM (clamd(8)): zINSTREAM\0, pieces of <length, 32 bits, network order><bytes>, a
// length of 0; the answer ends with \0: "stream: OK", "stream: NAME FOUND", "... ERROR".
#include <algorithm>
#include <array>

#include "backends/scan_protocol.h"

namespace sluice::backends {
namespace {

constexpr std::string_view kStream = "stream: ";

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

Result<ScanFindings> findings_of(std::string_view line) {
  ScanFindings found;
  found.virus.available = true;
  if (line == "stream: OK") return found;
  constexpr std::string_view kFound = " FOUND";
  if (line.substr(0, kStream.size()) == kStream && ends_with(line, kFound) &&
      line.size() > kStream.size() + kFound.size()) {
    line.remove_prefix(kStream.size());
    line.remove_suffix(kFound.size());
    found.virus.name = scan_word(line);
    return found;
  }
  if (line.find("size limit exceeded") != std::string_view::npos)
    return permanent("clamd takes no message of that size (its StreamMaxLength)");
  return temporary("clamd says: " + scan_word(line));
}

class ClamdReply final : public ScanReply {
 public:
  Outcome feed(std::string_view bytes) override {
    line_.append(bytes.substr(0, kMaxClamdReply + 1 - std::min(kMaxClamdReply + 1, line_.size())));
    const std::size_t end = line_.find('\0');
    if (end != std::string::npos) return findings_of(std::string_view(line_).substr(0, end));
    if (line_.size() > kMaxClamdReply) return Outcome(temporary("clamd's reply is too long"));
    return std::nullopt;
  }
  Result<ScanFindings> close() override { return temporary("clamd closed without an answer"); }

 private:
  std::string line_;
};

class ClamdProtocol final : public ScanProtocol {
 public:
  std::string_view name() const override { return "clamd"; }
  std::string head(const ScanEnvelope&, std::size_t) const override {
    return std::string("zINSTREAM\0", 10);
  }
  std::string piece(const std::string& bytes) const override {
    const auto size = static_cast<std::uint32_t>(bytes.size());
    std::string out;
    out.reserve(bytes.size() + 4);
    for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<char>(size >> shift & 0xff));
    return out += bytes;
  }
  std::string tail() const override { return std::string(4, '\0'); }
  std::unique_ptr<ScanReply> reply() const override { return std::make_unique<ClamdReply>(); }
};

}  // namespace

std::unique_ptr<ScanProtocol> make_clamd_protocol() { return std::make_unique<ClamdProtocol>(); }

}  // namespace sluice::backends
