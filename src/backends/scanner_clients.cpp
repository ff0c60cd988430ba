#include "backends/scanner_clients.h"

#include "backends/scan_job.h"

namespace sluice::backends {
namespace {

template <class Answer>
constexpr Answer ScanFindings::*kFound = nullptr;
template <>
constexpr SpamAnswer ScanFindings::*kFound<SpamAnswer> = &ScanFindings::spam;
template <>
constexpr VirusAnswer ScanFindings::*kFound<VirusAnswer> = &ScanFindings::virus;

template <class Answer>
class ClientScan final : public Scan<Answer> {
 public:
  explicit ClientScan(std::shared_ptr<ScanJob> job) : job_(std::move(job)) {}
  ~ClientScan() override { job_->give_up(); }
  bool feed(std::string bytes) override { return job_->feed(std::move(bytes)); }
  bool await_room(std::function<void()> wake) override { return job_->await_room(std::move(wake)); }
  void finish(TimePoint deadline, std::function<void(Answer)> done) override {
    job_->finish(deadline, [done = std::move(done)](const Result<ScanFindings>& found) {
      done(found ? (*found).*kFound<Answer> : Answer{});
    });
  }

 private:
  std::shared_ptr<ScanJob> job_;
};

}  // namespace

template <class Answer>
std::unique_ptr<Scan<Answer>> ScannerClient<Answer>::begin(
    std::shared_ptr<const ScanEnvelope> envelope) {
  return std::make_unique<ClientScan<Answer>>(desk_->begin(std::move(envelope)));
}

template class ScannerClient<SpamAnswer>;
template class ScannerClient<VirusAnswer>;

std::unique_ptr<SpamClient> make_spam_client(EventLoop& loop, const Clock& clock,
                                             std::string_view engine, ScannerOptions options) {
  if (options.message_bytes == 0) options.message_bytes = kSpamMessageBytes;
  options.streams = false;
  return std::make_unique<SpamClient>(
      ScanDesk::start(loop, clock, std::move(options),
                      engine == "spamd" ? make_spamd_protocol() : make_rspamd_protocol()));
}

std::unique_ptr<VirusClient> make_virus_client(EventLoop& loop, const Clock& clock,
                                               ScannerOptions options) {
  options.streams = true;
  options.message_bytes = 0;
  return std::make_unique<VirusClient>(
      ScanDesk::start(loop, clock, std::move(options), make_clamd_protocol()));
}

}  // namespace sluice::backends
