#include "backends/redis_breaker.h"

#include <algorithm>

namespace sluice::backends {

std::string_view redis_breaker_name(RedisBreaker::State state) {
  switch (state) {
    case RedisBreaker::State::Closed:
      return "closed";
    case RedisBreaker::State::Open:
      return "open";
    case RedisBreaker::State::HalfOpen:
      break;
  }
  return "half-open";
}

RedisBreaker::Slice& RedisBreaker::slice(Time now) {
  const std::int64_t number =
      std::chrono::duration_cast<Duration>(now.time_since_epoch()).count() / kSlice;
  Slice& at = slices_[static_cast<std::size_t>(number) % slices_.size()];
  if (at.number != number) at = Slice{number, 0, 0};
  return at;
}

bool RedisBreaker::is_enough(Time now) const {
  const std::int64_t last =
      std::chrono::duration_cast<Duration>(now.time_since_epoch()).count() / kSlice;
  unsigned calls = 0, failures = 0;
  for (const Slice& each : slices_) {
    if (each.number <= last - static_cast<std::int64_t>(slices_.size())) continue;
    calls += each.calls;
    failures += each.failures;
  }
  return failures >= kFailuresToOpen || (failures >= kFailuresToJudge && failures * 2 >= calls);
}

bool RedisBreaker::admits(Time now) {
  if (state_ == State::Closed) return true;
  if (now < next_probe_) return false;
  state_ = State::HalfOpen;
  next_probe_ = now + kProbeEvery;
  return true;
}

void RedisBreaker::succeeded(Time now) {
  if (state_ == State::HalfOpen) {
    state_ = State::Closed;
    slices_.fill(Slice{});
  }
  ++slice(now).calls;
}

void RedisBreaker::failed(Time now) {
  Slice& at = slice(now);
  ++at.calls;
  ++at.failures;
  if (state_ == State::HalfOpen || (state_ == State::Closed && is_enough(now)))
    open(now, kProbeEvery);
}

void RedisBreaker::open(Time now, Duration rest) {
  state_ = State::Open;
  next_probe_ = now + rest;
}

void RedisBreaker::open_for(Time now, Duration rest) { open(now, rest); }

void RedisBreaker::probe_soon(Time now) {
  if (state_ != State::Closed) open(now, Duration{0});
}

Duration RedisBackoff::next(std::uint32_t random) {
  const Duration::rep half = wait_.count() / 2;
  const Duration wait{half + static_cast<Duration::rep>(random) % (wait_.count() - half + 1)};
  wait_ = std::min(wait_ * 2, kLongest);
  return wait;
}

void RedisBackoff::raise_to(Duration wait) { wait_ = std::clamp(wait, wait_, kLongest); }

bool RedisRetryBudget::take() {
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

}  // namespace sluice::backends
