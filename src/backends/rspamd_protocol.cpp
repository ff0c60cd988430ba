// rspamd's HTTP protocol (rspamd.com, "Rspamd HTTP protocol"): what the MTA knows goes as fields of
// the request, the answer is JSON. Read as events: nothing is built that the answer does not need.
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "backends/headed_scan_reply.h"
#include "base/text.h"

namespace sluice::backends {
namespace {

using nlohmann::json;

// Takes score, action, error and the names in symbols; stops at the first thing that is too deep.
class FindingsReader final : public json::json_sax_t {
 public:
  std::optional<double> score;
  std::string action, error;
  std::vector<std::string> symbols;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t n) override { return number(static_cast<double>(n)); }
  bool number_unsigned(number_unsigned_t n) override { return number(static_cast<double>(n)); }
  bool number_float(number_float_t n, const string_t&) override { return number(n); }
  bool string(string_t& text) override {
    if (depth_ != 1) return true;
    if (key_ == "action") action = scan_word(text);
    if (key_ == "error") error = scan_word(text);
    return true;
  }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return deeper(); }
  bool end_object() override { return shallower(); }
  bool start_array(std::size_t) override { return deeper(); }
  bool end_array() override { return shallower(); }
  bool key(string_t& name) override {
    if (depth_ == 1) key_ = name;
    if (depth_ == 2 && key_ == "symbols" && symbols.size() < kMaxSymbols)
      symbols.push_back(scan_word(name));
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  bool number(double value) {
    if (depth_ == 1 && key_ == "score" && std::isfinite(value)) score = value;
    return true;
  }
  bool deeper() { return ++depth_ <= kMaxRspamdDepth; }
  bool shallower() {
    --depth_;
    return true;
  }
  int depth_ = 0;
  std::string key_;  // of the outermost object
};

Result<ScanFindings> findings_of(const std::string& body) {
  FindingsReader reader;
  // A library that may throw (a number out of range, no memory): caught in this room.
  try {
    if (!json::sax_parse(body, &reader)) return temporary("rspamd's reply is no JSON");
  } catch (const std::exception&) {
    return temporary("rspamd's reply is no JSON");
  }
  if (!reader.error.empty()) return temporary("rspamd says: " + reader.error);
  if (!reader.score) return temporary("rspamd's reply has no score");
  ScanFindings found;
  found.spam.available = true;
  found.spam.score = *reader.score;
  found.spam.action = std::move(reader.action);
  found.spam.symbols = std::move(reader.symbols);
  return found;
}

Result<ScanFindings> rspamd_says(const HeadedReply& reply) {
  const auto words = split(reply.first_line(), ' ');
  if (words.size() < 2 || words[0].substr(0, 7) != "HTTP/1.")
    return temporary("rspamd's reply is none: " + scan_word(reply.first_line()));
  if (words[1] != "200") return temporary("rspamd says: " + scan_word(reply.first_line()));
  return findings_of(reply.body());
}

void add_field(std::string& head, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  head += name;
  head += ": " + scan_field(value) + "\r\n";
}

class RspamdProtocol final : public ScanProtocol {
 public:
  std::string_view name() const override { return "rspamd"; }
  std::string head(const ScanEnvelope& e, std::size_t message_bytes) const override {
    std::string head = "POST /checkv2 HTTP/1.1\r\nHost: rspamd\r\nConnection: close\r\n";
    head += "Content-Length: " + std::to_string(message_bytes) + "\r\n";
    const std::array<std::pair<std::string_view, std::string_view>, 7> fields{
        {{"IP", e.client_ip},
         {"Helo", e.helo},
         {"Hostname", e.client_name},
         {"From", e.sender},
         {"User", e.login},
         {"Queue-Id", e.queue_id},
         {"MTA-Name", e.mta_name}}};
    for (const auto& [name, value] : fields) add_field(head, name, value);
    for (std::size_t i = 0; i < e.recipients.size() && i < kMaxRecipientsTold; ++i)
      add_field(head, "Rcpt", std::string_view(e.recipients[i]).substr(0, 320));
    return head + "\r\n";
  }
  std::unique_ptr<ScanReply> reply() const override { return std::make_unique<HeadedScanReply>("rspamd", kMaxRspamdReply, rspamd_says); }
};

}  // namespace

std::unique_ptr<ScanProtocol> make_rspamd_protocol() { return std::make_unique<RspamdProtocol>(); }

}  // namespace sluice::backends
