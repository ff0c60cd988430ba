#include "app/replay_policies.h"

#include <filesystem>

#include "app/line_reader.h"
#include "facts/geo_database.h"

namespace sluice::app {
namespace {

constexpr Duration kDnsPatience{5'000};

// A service configuration names its policies under `policies:`, a policy says what it is by
// `policy:`.
bool is_policy(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return true;
  const auto lines = LineReader::open(path);
  if (!lines) return false;
  for (std::string_view line; (*lines)->next(line);)
    if (line.substr(0, 7) == "policy:" || line.substr(0, 7) == "sluice:") return true;
  return false;
}

}  // namespace

Result<ReplayPolicy> load_replay_policy(const std::string& path) {
  ReplayPolicy replay;
  if (is_policy(path)) {
    replay.config.policies = {path};
  } else {
    Diagnostics diagnostics;
    replay.config = load_config(path, diagnostics);
    if (!diagnostics.ok()) return config_error(diagnostics.render());
  }
  const ServiceConfig& config = replay.config;
  LoadedPolicy loaded = load_program(config);
  if (!loaded.program)
    return config_error(loaded.diagnostics.render() + summary(path, loaded) + "\n");
  replay.program = std::move(loaded.program);
  auto country = facts::GeoDatabase::open(config.geoip_country);
  auto asn = facts::GeoDatabase::open(config.geoip_asn);
  if (!country || !asn)
    return config_error("geoip: " + (country ? asn : country).error().what + "\n");
  facts::FactSettings& settings = replay.settings.facts;
  settings.trusted_relays = config.trusted_relays;
  settings.delimiters = config.delimiter;
  settings.fold_local_part = config.fold_local_part;
  settings.country = std::move(*country);
  settings.asn = std::move(*asn);
  replay.settings.resources = config.resources;
  return replay;
}

Result<std::unique_ptr<PresentDns>> PresentDns::start(const ServiceConfig& config) {
  auto dns = std::make_unique<PresentDns>();
  backends::CaresOptions options;
  options.servers = config.dns_servers;
  options.timeout = config.dns_timeout;
  auto resolver = backends::CaresResolver::start(options, dns->clock_);
  if (!resolver) return tl::unexpected<Error>(resolver.error());
  dns->resolver_ = std::move(*resolver);
  return dns;
}

void PresentDns::query(const std::string& name, backends::DnsType type, TimePoint,
                       backends::DnsDone done) {
  resolver_->query(name, type, clock_.now() + kDnsPatience, std::move(done));
}

}  // namespace sluice::app
