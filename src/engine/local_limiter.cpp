#include "engine/local_limiter.h"

#include <utility>
#include <variant>

namespace sluice::engine {

using backends::StateAnswer;
using backends::StateOp;

namespace {

constexpr std::size_t kSweptAtATime = 4;  // expired keys looked for after each submission

}  // namespace

LocalLimiter::LocalLimiter(const Clock& clock)
    : clock_(clock),
      limits_({kMaxLocalLimits, kMaxLocalLimits, kMaxLocalLimits, kMaxLocalLimits}) {}

StateAnswer LocalLimiter::apply(const StateOp& op, TimePoint now) {
  return std::visit(
      [&](const auto& one) -> StateAnswer {
        if constexpr (requires { limits_.apply(one, now); }) {
          return limits_.apply(one, now);
        } else {
          StateAnswer nothing;
          nothing.available = false;
          return nothing;
        }
      },
      op);
}

void LocalLimiter::submit(std::vector<StateOp> ops, backends::StateDone done) {
  std::vector<StateAnswer> answers;
  answers.reserve(ops.size());
  {
    std::lock_guard lock(mutex_);
    const TimePoint now = time_.advance(clock_.now());
    for (const StateOp& op : ops) answers.push_back(apply(op, now));
    limits_.sweep(now, kSweptAtATime);
    while (limits_.size() > kMaxLocalLimits && limits_.evict_one(now)) {
    }
    limits_.changes().discard_changes();
  }
  done(std::move(answers));
}

backends::StateHealth LocalLimiter::health() const {
  std::lock_guard lock(mutex_);
  backends::StateHealth health;
  health.what = "in memory, " + std::to_string(limits_.size()) + " limits";
  return health;
}

}  // namespace sluice::engine
