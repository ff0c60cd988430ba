// What /metrics tells. One table of families (metrics.cpp) with what each takes its samples from: a
// backend that brings something to watch adds a row there. Labels come from the configuration, the
// policy and fixed words only, never from mail.
#pragma once
#include <string>
#include <vector>

#include "app/counted_store.h"
#include "app/counters.h"
#include "app/history.h"
#include "app/near_limits.h"
#include "app/status.h"

namespace sluice::app {

struct MetricSources {
  const ServiceStatus& status;
  const Counters& counters;
  const CountedStore& store;
  std::string backend;                     // of the store: embedded, redis
  std::optional<History::Report> history;  // none: it is not kept
  const std::vector<NearLimit>& limits;
  std::string policy_name, policy_version, policy_hash;
};

std::string render_metrics(const MetricSources& sources);

}  // namespace sluice::app
