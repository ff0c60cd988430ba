// Backends: whom the service asks while it decides: the state store, DNS and the lists in it, the
// scanners, the mail servers of callouts. They live as long as the service.
#pragma once
#include <memory>

#include "app/config.h"
#include "app/counted_store.h"
#include "app/open_scanners.h"
#include "backends/cares_resolver.h"
#include "backends/dns_lists.h"
#include "backends/event_loop.h"
#include "backends/smtp_callout.h"
#include "base/clock.h"
#include "base/result.h"
#include "engine/session.h"

namespace sluice::app {

struct Backends {
  std::unique_ptr<backends::StateStore> store;
  std::unique_ptr<CountedStore> counted_store;  // what sessions use of it
  std::unique_ptr<backends::CaresResolver> dns;
  std::unique_ptr<backends::DnsLists> lists;
  Scanners scanners;
  std::unique_ptr<backends::EventLoop> loop;               // of those who talk over sockets
  std::unique_ptr<backends::SmtpCallout> callout;          // null: not configured
  std::shared_ptr<const facts::GeoDatabase> country, asn;  // null: not configured

  void serve(engine::Services& services) const;
};

// What may be away is not waited for. Errors: Config for what the administrator has to change, else
// Temporary. clock outlives them.
Result<Backends> open_backends(const ServiceConfig& config, const Clock& clock);

// How sessions go by the service configuration.
void apply_settings(const ServiceConfig& config, engine::Services& services);

}  // namespace sluice::app
