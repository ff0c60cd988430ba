// LocalLimiter: the limits of this process alone, for `on_error: local`: what counts while the
// state store is away. In memory, bounded (what would have expired first is dropped), forgotten at
// the end of the process. Answers limits only; other operations are "not available".
//
// Threads: any; submit() answers before it returns. The clock outlives it.
#pragma once
#include <mutex>

#include "backends/embedded_limits.h"
#include "backends/state_store.h"
#include "backends/steady_time.h"

namespace sluice::engine {

inline constexpr std::size_t kMaxLocalLimits = 100'000;  // keys, values and reservations each

class LocalLimiter final : public backends::StateStore {
 public:
  explicit LocalLimiter(const Clock& clock);

  void submit(std::vector<backends::StateOp> ops, backends::StateDone done) override;
  std::vector<backends::StateEntry> show(const backends::StateQuery&) override { return {}; }
  std::size_t forget(backends::StateEntry::Kind, const std::string&) override { return 0; }
  std::size_t grant(const std::string&, std::int64_t, Duration) override { return 0; }
  backends::StateHealth health() const override;

 private:
  backends::StateAnswer apply(const backends::StateOp& op, TimePoint now);

  const Clock& clock_;
  mutable std::mutex mutex_;
  backends::SteadyTime time_;
  backends::EmbeddedLimits limits_;
};

}  // namespace sluice::engine
