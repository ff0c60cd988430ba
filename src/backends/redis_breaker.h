// RedisBreaker and RedisBackoff: when a server is left alone, and how soon it is tried again.
//
// Both are told the time and draw nothing themselves. Threads: one at a time.
#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "base/clock.h"

namespace sluice::backends {

// Opens at kFailuresToOpen failed calls within a second, or when half of that second's calls failed
// (at least kFailuresToJudge of them). While it is open one call in kProbeEvery goes through as a
// probe; if that one succeeds, all may.
class RedisBreaker {
 public:
  using Time = std::chrono::steady_clock::time_point;
  enum class State : std::uint8_t { Closed, Open, HalfOpen };  // HalfOpen: a probe is on its way
  static constexpr unsigned kFailuresToOpen = 5;
  static constexpr unsigned kFailuresToJudge = 3;
  static constexpr Duration kProbeEvery{250};

  // May a call go through? It takes the probe, if one is due.
  bool admits(Time now);
  bool is_probe_due(Time now) const { return state_ == State::Open && now >= next_probe_; }
  void succeeded(Time now);
  void failed(Time now);
  // Opens whatever the counts, and probes after that time.
  void open_for(Time now, Duration rest);
  // The server has just answered something else: the next call may be the probe.
  void probe_soon(Time now);
  State state() const { return state_; }

 private:
  static constexpr std::int64_t kSlice = 100;  // milliseconds
  struct Slice {
    std::int64_t number = -1;
    unsigned calls = 0, failures = 0;
  };
  Slice& slice(Time now);
  bool is_enough(Time now) const;
  void open(Time now, Duration rest);

  std::array<Slice, 10> slices_{};
  State state_ = State::Closed;
  Time next_probe_{};
};
std::string_view redis_breaker_name(RedisBreaker::State state);

// 20 ms, doubled up to 1 s; each wait between half and the whole of that.
class RedisBackoff {
 public:
  static constexpr Duration kFirst{20};
  static constexpr Duration kLongest{1'000};

  // random: any number, evenly drawn.
  Duration next(std::uint32_t random);
  // At least that long the next time: the server asked for room.
  void raise_to(Duration wait);
  void reset() { wait_ = kFirst; }

 private:
  Duration wait_ = kFirst;
};

// One retry for every ten calls, so that retries never make a bad hour worse.
class RedisRetryBudget {
 public:
  static constexpr double kShare = 0.1;
  static constexpr double kMost = 100;

  void called() { tokens_ = tokens_ + kShare < kMost ? tokens_ + kShare : kMost; }
  bool take();

 private:
  double tokens_ = 10;
};

}  // namespace sluice::backends
