// What `sluice status` shows: is it attached, what did it answer, is anything degraded.
#pragma once
#include "app/control.h"
#include "app/counters.h"
#include "app/generation.h"
#include "backends/cares_resolver.h"
#include "backends/dns_lists.h"
#include "backends/scan_desk.h"
#include "backends/smtp_callout.h"
#include "backends/state_store.h"
#include "milter/front_end.h"

namespace sluice::app {

struct ServiceStatus {
  std::string policy, listening, engine;
  std::vector<std::string> addresses;  // of the listening sockets, of an inherited one where it is
  std::size_t rules = 0, open_sessions = 0;
  std::uint64_t sessions_served = 0, sessions_broken = 0;
  std::vector<milter::PlaceCounts> places;
  Duration uptime{0};
  ReloadState reload;
  backends::StateHealth store;
  std::string store_degraded;  // "3 degraded minutes, …"; empty: none
  std::uint64_t store_degraded_minutes = 0;
  backends::DnsCounts dns;
  std::vector<backends::ListHealth> lists;
  std::vector<backends::ScannerHealth> scanners;
  std::optional<backends::CalloutCounts> callout;  // none: not configured
  std::vector<std::string> callout_recent;         // the latest that were no yes
  bool draining = false;
};

ControlReply render_status(const ServiceStatus& status, const Counters& counters);

}  // namespace sluice::app
