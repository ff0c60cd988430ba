#include "app/callout_opening.h"

#include <unistd.h>

#include <array>

#include "app/logging.h"
#include "mail/domain.h"

namespace sluice::app {
namespace {

std::string own_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return mail::is_valid_helo(name.data()) ? name.data() : "localhost";
}

}  // namespace

std::unique_ptr<backends::SmtpCallout> open_callout(const ServiceConfig& config,
                                                    backends::EventLoop& loop,
                                                    backends::DnsResolver& dns,
                                                    const Clock& clock) {
  if (!config.callout) return nullptr;
  backends::CalloutOptions options;
  options.helo = config.callout_helo.empty() ? own_name() : config.callout_helo;
  if (config.callout_helo.empty() && !mail::is_fully_qualified(options.helo))
    log_warning("callout: this host's name `" + options.helo +
                "` is not fully qualified, many servers will not talk to it; set callout.helo");
  options.from = config.callout_from;
  options.port = static_cast<std::uint16_t>(config.callout_port);
  options.timeout = config.callout_timeout;
  options.cache = config.callout_cache;
  options.limits.per_target = static_cast<std::size_t>(config.callout_sessions);
  options.limits.per_minute = static_cast<int>(config.callout_rate);
  options.allow = config.callout_allow;
  return std::make_unique<backends::SmtpCallout>(loop, dns, clock, std::move(options));
}

}  // namespace sluice::app
