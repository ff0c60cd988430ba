// CalloutLimits: how many sessions are opened to others' servers, at once and a minute: in all, to
// one address and for one domain. A flood of forged senders must not become a flood of callouts.
// Threads: one at a time.
#pragma once
#include <chrono>
#include <cstddef>
#include <string>
#include <unordered_map>

#include "base/ip_address.h"
#include "base/text.h"

namespace sluice::backends {

inline constexpr std::size_t kMaxCalloutTargets = 10'000;  // addresses and domains remembered

class CalloutLimits {
 public:
  using Time = std::chrono::steady_clock::time_point;
  struct Options {
    std::size_t sessions = 50;   // open at once
    std::size_t per_target = 2;  // of them to one address, or for one domain
    int per_minute = 30;         // to one address, or for one domain; so many may come at once
  };
  enum class Admission {
    Go,        // counted; release() it
    Wait,      // too many are open
    OverRate,  // too many were opened of late
  };

  explicit CalloutLimits(const Options& options) : options_(options) {}

  Admission admit(const std::string& domain, const IpAddress& host, Time now);
  void release(const std::string& domain, const IpAddress& host);
  std::size_t open() const { return open_; }
  std::size_t targets() const { return targets_.size(); }

 private:
  struct Target {
    std::size_t open = 0;
    double tokens = 0;
    Time filled{};
  };
  using Targets = std::unordered_map<std::string, Target, KeyedHash>;

  Target* target(const std::string& name, Time now);
  void refill(Target& target, Time now) const;
  void forget_idle(Time now);

  const Options options_;
  Targets targets_;
  std::size_t open_ = 0;
  Time forgot_{};
};

}  // namespace sluice::backends
