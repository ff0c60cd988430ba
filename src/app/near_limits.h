// NearLimits: which keys of which limits are nearest to their ceiling. The store knows what was used,
// the program how much may be; both together tell. Limits whose ceiling depends on the message have
// none that could be told here.
//
// Looking costs the store a walk over its limits: the answer is kept for kKept. Threads: any.
#pragma once
#include <mutex>
#include <string>
#include <vector>

#include "backends/state_store.h"
#include "policy/program.h"

namespace sluice::app {

struct NearLimit {
  std::string limit, name;  // rule; "per-sender sender.address=ann@far.example"
  std::int64_t used = 0, ceiling = 0;
  Duration period{0};
  double ratio() const { return ceiling > 0 ? static_cast<double>(used) / static_cast<double>(ceiling) : 0; }
};

class NearLimits {
 public:
  static constexpr Duration kKept{15'000};
  static constexpr std::size_t kMostPerLimit = 20, kMostLimits = 50;

  // The fullest first.
  std::vector<NearLimit> look(backends::StateStore& store, const policy::Program& program,
                              TimePoint now);

 private:
  std::mutex mutex_;
  TimePoint looked_{};
  std::string program_;
  std::vector<NearLimit> kept_;
};

}  // namespace sluice::app
