// The scanners a service asks: spamd or rspamd for spam.*, clamd for virus.*.
//
// A spam scanner is given the first `message_bytes` of a message when a rule asks for its score:
// what is longer is cut, not left unscanned. clamd is sent the message while it comes, and at most
// `window_bytes` of it (and one piece) are held; the MTA waits for clamd.
#pragma once
#include <memory>
#include <string_view>

#include "backends/scan_desk.h"
#include "backends/scanner.h"

namespace sluice::backends {

// As spamc: more of a message tells a spam scanner nothing new.
inline constexpr std::size_t kSpamMessageBytes = 500 * 1024;

template <class Answer>
class ScannerClient final : public Scanner<Answer> {
 public:
  explicit ScannerClient(std::shared_ptr<ScanDesk> desk) : desk_(std::move(desk)) {}
  ~ScannerClient() override { desk_->close(); }
  std::unique_ptr<Scan<Answer>> begin(std::shared_ptr<const ScanEnvelope> envelope) override;
  ScannerHealth health() const { return desk_->health(); }

 private:
  std::shared_ptr<ScanDesk> desk_;
};
using SpamClient = ScannerClient<SpamAnswer>;
using VirusClient = ScannerClient<VirusAnswer>;

// loop and clock outlive the client. engine: "spamd" or "rspamd"; options.message_bytes 0 means
// kSpamMessageBytes.
std::unique_ptr<SpamClient> make_spam_client(EventLoop& loop, const Clock& clock,
                                             std::string_view engine, ScannerOptions options);
std::unique_ptr<VirusClient> make_virus_client(EventLoop& loop, const Clock& clock,
                                               ScannerOptions options);

}  // namespace sluice::backends
