// The scanners of the service configuration: `scanners: {spam, virus}`.
#pragma once
#include <memory>
#include <vector>

#include "app/config.h"
#include "backends/event_loop.h"
#include "backends/scanner_clients.h"
#include "base/result.h"
#include "engine/session.h"

namespace sluice::app {

// Null: not configured. The loop is their thread, and is there when one of them is.
struct Scanners {
  std::unique_ptr<backends::EventLoop> loop;
  std::unique_ptr<backends::SpamClient> spam;
  std::unique_ptr<backends::VirusClient> virus;
  bool own_spam = false;  // `engine: own`

  std::vector<backends::ScannerHealth> health() const;
  void serve(engine::Services& services) const;
};

// Connects to nobody yet: a scanner that is away at start is away like any other time. clock
// outlives the scanners. Error{Temporary}: no descriptors left.
Result<Scanners> open_scanners(const ServiceConfig& config, const Clock& clock);

}  // namespace sluice::app
