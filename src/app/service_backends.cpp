#include "app/service_backends.h"

#include "app/callout_opening.h"
#include "app/open_store.h"
#include "backends/state_examination.h"
#include "facts/geo_database.h"

namespace sluice::app {
namespace {

tl::unexpected<Error> of(const std::string& whose, Error error) {
  return tl::unexpected<Error>(Error{error.cause, whose + ": " + error.what});
}

// A folder that cannot be used now may be there after the next mount; a file that is damaged, or newer
// than us, stays so whatever is started again.
Result<void> open_state(const ServiceConfig& config, const Clock& clock, Backends& all) {
  auto store = open_store(config, clock);
  if (!store && config.store != "redis" && backends::examine_state(config.state))
    store.error().cause = Cause::Temporary;
  if (!store) return of("state", store.error());
  all.store = std::move(*store);
  all.counted_store = std::make_unique<CountedStore>(*all.store);
  return {};
}

Result<void> open_dns(const ServiceConfig& config, const Clock& clock, Backends& all) {
  backends::CaresOptions options;
  options.servers = config.dns_servers;
  options.timeout = config.dns_timeout;
  options.cache_entries = static_cast<std::size_t>(config.dns_cache);
  auto dns = backends::CaresResolver::start(options, clock);
  if (!dns) return config_error("dns: " + dns.error().what);
  all.dns = std::move(*dns);
  all.lists = std::make_unique<backends::DnsLists>(*all.dns, clock);
  return {};
}

Result<void> open_scanning(const ServiceConfig& config, const Clock& clock, Backends& all) {
  auto scanners = open_scanners(config, clock);
  if (!scanners) return of("scanners", scanners.error());
  all.scanners = std::move(*scanners);
  return {};
}

Result<void> open_asking(const ServiceConfig& config, const Clock& clock, Backends& all) {
  auto loop = backends::EventLoop::start("sluice-asks");
  if (!loop) return temporary(loop.error().what);
  all.loop = std::move(*loop);
  all.callout = open_callout(config, *all.loop, *all.dns, clock);
  return {};
}

Result<void> open_geo(const ServiceConfig& config, const Clock&, Backends& all) {
  auto country = facts::GeoDatabase::open(config.geoip_country);
  auto asn = facts::GeoDatabase::open(config.geoip_asn);
  if (!country) return config_error("geoip: " + country.error().what);
  if (!asn) return config_error("geoip: " + asn.error().what);
  all.country = std::move(*country);
  all.asn = std::move(*asn);
  return {};
}

}  // namespace

Result<Backends> open_backends(const ServiceConfig& config, const Clock& clock) {
  Backends all;
  for (const auto open : {open_state, open_dns, open_scanning, open_asking, open_geo})
    if (auto opened = open(config, clock, all); !opened)
      return tl::unexpected<Error>(opened.error());
  return all;
}

void Backends::serve(engine::Services& services) const {
  services.store = counted_store.get();
  services.dns = lists.get();
  services.callout = callout.get();
  services.settings.country = country;
  services.settings.asn = asn;
  scanners.serve(services);
}

void apply_settings(const ServiceConfig& config, engine::Services& services) {
  services.settings.trusted_relays = config.trusted_relays;
  services.settings.delimiters = config.delimiter;
  services.settings.fold_local_part = config.fold_local_part;
  services.settings.authserv_id = config.authserv_id;
  services.settings.organizational_domain = config.dmarc_by_suffix_list
                                                ? facts::OrganizationalDomain::PublicSuffixList
                                                : facts::OrganizationalDomain::TreeWalk;
  services.resources = config.resources;
  services.deadline = config.deadline;
  services.message_deadline = config.message_deadline;
  services.reply_id = config.reply_id;
}

}  // namespace sluice::app
