// What RedisCaller tells of itself.
#include <algorithm>
#include <bit>
#include <utility>

#include "backends/redis_caller.h"
#include "base/text.h"

namespace sluice::backends {

void RedisCaller::log_line(std::string line) const {
  if (log_) log_(std::move(line));
}

void RedisCaller::changed() {
  if (std::exchange(is_changed_, true)) return;
  loop_->post([this] { wake(); });
}

// Once a second: is it over?
void RedisCaller::tick() {
  tick_timer_ = loop_->in(Duration{1'000}, [this] { tick(); });
  if (bad_since_ && SystemClock().now() - *last_bad_ > kRedisDegradedFor) bad_since_.reset();
  publish();
}

void RedisCaller::publish() {
  if (is_closing_) return;
  RedisTopologyState state = topology_->state();
  for (std::string& line : watch_.look(state.nodes, SystemClock().now())) log_line(std::move(line));
  const bool is_degraded = bad_since_.has_value() || !state.is_complete;
  const std::lock_guard lock(mutex_);
  state_ = std::move(state);
  bad_why_ = bad_since_ ? last_why_ : std::string();
  if (!is_degraded) degraded_since_.reset();
  if (is_degraded && !degraded_since_)
    degraded_since_ = bad_since_ ? *bad_since_ : SystemClock().now();
}

void RedisCaller::count_latency(Time begun) {
  const auto took =
      std::chrono::duration_cast<std::chrono::microseconds>(EventLoop::Steady::now() - begun);
  const auto step = static_cast<std::size_t>(
      std::bit_width(static_cast<std::uint64_t>(std::max<std::int64_t>(took.count(), 0)) / 8));
  ++latency_[std::min(step, kLatencySteps - 1)];
}

std::string RedisCaller::median_latency() const {
  std::uint64_t all = 0, seen = 0;
  for (const auto& count : latency_) all += count;
  if (all == 0) return "no call yet";
  std::size_t step = 0;
  while (step + 1 < kLatencySteps && (seen += latency_[step]) * 2 < all) ++step;
  // The step's upper end, 8 us times a power of two.
  return "p50 below " + render_number(static_cast<double>(8u << step) / 1'000) + " ms";
}

RedisHealth RedisCaller::health() const {
  RedisHealth health;
  std::string bad_why;
  {
    const std::lock_guard lock(mutex_);
    health.available = state_.is_available;
    health.degraded_since = degraded_since_;
    health.degraded = degraded_since_.has_value();
    health.what = state_.what;
    health.reconnects = state_.reconnects;
    health.nodes = state_.nodes;
    bad_why = bad_why_;
  }
  for (const RedisNodeHealth& node : health.nodes)
    if (!node.why.empty()) health.what += ", " + node.at + ": " + node.why;
  // What is no server's own fault stands here only: out of memory, a slot on its way.
  if (!bad_why.empty() && health.what.find(bad_why) == std::string::npos)
    health.what += ", last not done: " + bad_why;
  health.what += ", " + median_latency();
  health.calls = counts_.calls;
  health.not_done = counts_.not_done;
  health.unknown = counts_.unknown;
  health.errors = health.not_done + health.unknown + counts_.script_errors;
  health.moved = counts_.moved;
  health.asked = counts_.asked;
  health.tried_again = counts_.tried_again;
  health.followed = counts_.followed;
  health.redirects = health.moved + health.asked + health.tried_again + health.followed;
  health.scripts_sent = counts_.scripts_sent;
  health.sent = counts_.sent;
  return health;
}

}  // namespace sluice::backends
