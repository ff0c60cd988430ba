// StoreWatch: when the state store was away or failing, so that every degraded minute stands in the
// log and in `sluice status`.
//
// Threads: look() on one thread, report() on any.
#pragma once
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "backends/state_store.h"
#include "base/clock.h"

namespace sluice::app {

class StoreWatch {
 public:
  // on_disk: the embedded store, which goes on in memory while it cannot write.
  explicit StoreWatch(bool on_disk = false) : on_disk_(on_disk) {}

  // To be called about once a second. What has to be said now: that the store fails, that it still
  // does (once a minute), that it is back.
  struct Remark {
    bool is_warning = true;
    std::string text;
  };
  std::optional<Remark> look(const backends::StateHealth& health, TimePoint now);

  struct Report {
    bool failing = false;
    std::uint64_t minutes = 0;  // of the clock with a failure in it
    std::optional<TimePoint> last;
  };
  Report report() const;
  // "3 degraded minutes, the last at 2026-11-25T17:03:12Z"; empty: none.
  std::string line() const;

 private:
  bool fails(const backends::StateHealth& health);
  const bool on_disk_;
  mutable std::mutex mutex_;
  Report report_;
  std::optional<TimePoint> failing_since_, told_;
  std::uint64_t known_errors_ = 0;
  std::int64_t last_minute_ = 0;
};

}  // namespace sluice::app
