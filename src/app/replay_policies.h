// The policies of a replay: named by a service configuration, a policy file or a folder of them.
#pragma once
#include <memory>
#include <string>

#include "app/config.h"
#include "app/policy_loading.h"
#include "app/replay_player.h"
#include "backends/cares_resolver.h"

namespace sluice::app {

struct ReplayPolicy {
  ServiceConfig config;
  policy::ProgramPtr program;
  ReplaySettings settings;  // facts and caps of the configuration
};

// Error{Config}: every diagnostic as text.
Result<ReplayPolicy> load_replay_policy(const std::string& path);

// Asks the DNS of today: the deadlines of simulated time mean nothing to it.
class PresentDns final : public backends::DnsResolver {
 public:
  static Result<std::unique_ptr<PresentDns>> start(const ServiceConfig& config);
  void query(const std::string& name, backends::DnsType type, TimePoint deadline,
             backends::DnsDone done) override;

 private:
  SystemClock clock_;
  std::unique_ptr<backends::CaresResolver> resolver_;
};

}  // namespace sluice::app
