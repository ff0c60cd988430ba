#include "app/open_scanners.h"

#include <algorithm>

#include "app/logging.h"

namespace sluice::app {
namespace {

// No server is waited for longer than an answer to the MTA may take.
backends::ScannerOptions options_of(const ServiceConfig& config,
                                    const std::vector<backends::Endpoint>& addresses,
                                    Duration timeout, std::int64_t connections) {
  backends::ScannerOptions options;
  options.addresses = addresses;
  options.timeout = std::min(timeout, config.deadline);
  options.connect_timeout = std::min(options.timeout, options.connect_timeout);
  options.connections = static_cast<std::size_t>(connections);
  options.tell = [](bool is_away, const std::string& line) {
    if (is_away) return log_error("scanner: " + line);
    log_info("scanner: " + line);
  };
  return options;
}

}  // namespace

std::vector<backends::ScannerHealth> Scanners::health() const {
  std::vector<backends::ScannerHealth> all;
  if (spam) all.push_back(spam->health());
  if (virus) all.push_back(virus->health());
  return all;
}

void Scanners::serve(engine::Services& services) const {
  services.spam = spam.get();
  services.virus = virus.get();
  services.own_spam = own_spam;
}

Result<Scanners> open_scanners(const ServiceConfig& config, const Clock& clock) {
  Scanners scanners;
  scanners.own_spam = config.spam_engine == "own";
  const bool has_spam = !config.spam_engine.empty() && !scanners.own_spam;
  if (!has_spam && config.virus_clamd.empty()) return scanners;
  auto loop = backends::EventLoop::start("scanners");
  if (!loop) return tl::unexpected<Error>(loop.error());
  scanners.loop = std::move(*loop);
  if (has_spam) {
    auto options =
        options_of(config, config.spam_addresses, config.spam_timeout, config.spam_connections);
    options.message_bytes = static_cast<std::size_t>(config.spam_max_size);
    scanners.spam = backends::make_spam_client(*scanners.loop, clock, config.spam_engine, options);
  }
  if (!config.virus_clamd.empty()) {
    auto options =
        options_of(config, config.virus_clamd, config.virus_timeout, config.virus_connections);
    options.window_bytes = static_cast<std::size_t>(config.virus_buffer);
    scanners.virus = backends::make_virus_client(*scanners.loop, clock, options);
  }
  return scanners;
}

}  // namespace sluice::app
