#include "backends/callout_limits.h"

#include <algorithm>

namespace sluice::backends {
namespace {

constexpr std::chrono::seconds kForgetEvery{1};  // looking through all targets has its price

}  // namespace

void CalloutLimits::refill(Target& target, Time now) const {
  const double minutes = std::chrono::duration<double, std::ratio<60>>(now - target.filled).count();
  target.filled = now;
  target.tokens =
      std::min<double>(options_.per_minute, target.tokens + minutes * options_.per_minute);
}

// nullptr: too many targets are busy to take another.
CalloutLimits::Target* CalloutLimits::target(const std::string& name, Time now) {
  if (const auto at = targets_.find(name); at != targets_.end()) {
    refill(at->second, now);
    return &at->second;
  }
  if (targets_.size() >= kMaxCalloutTargets) forget_idle(now);
  if (targets_.size() >= kMaxCalloutTargets) return nullptr;
  Target fresh;
  fresh.tokens = options_.per_minute;
  fresh.filled = now;
  return &targets_.emplace(name, fresh).first->second;
}

void CalloutLimits::forget_idle(Time now) {
  if (now - forgot_ < kForgetEvery) return;
  forgot_ = now;
  for (auto at = targets_.begin(); at != targets_.end();) {
    refill(at->second, now);
    const bool is_idle = at->second.open == 0 && at->second.tokens >= options_.per_minute;
    at = is_idle ? targets_.erase(at) : std::next(at);
  }
}

CalloutLimits::Admission CalloutLimits::admit(const std::string& domain, const IpAddress& host,
                                              Time now) {
  // No domain is written like an address, so the names do not meet; a literal has brackets.
  Target* const of_domain = target(domain, now);
  if (of_domain == nullptr) return Admission::OverRate;
  of_domain->open += 1;  // held, so that making room for the other does not take it
  Target* const of_host = target(host.to_string(), now);
  of_domain->open -= 1;
  if (of_host == nullptr) return Admission::OverRate;
  if (of_domain->tokens < 1 || of_host->tokens < 1) return Admission::OverRate;
  if (open_ >= options_.sessions || of_domain->open >= options_.per_target ||
      of_host->open >= options_.per_target)
    return Admission::Wait;
  for (Target* const one : {of_domain, of_host}) {
    one->tokens -= 1;
    one->open += 1;
  }
  ++open_;
  return Admission::Go;
}

void CalloutLimits::release(const std::string& domain, const IpAddress& host) {
  for (const std::string& name : {domain, host.to_string()}) {
    const auto at = targets_.find(name);
    if (at != targets_.end() && at->second.open > 0) --at->second.open;
  }
  if (open_ > 0) --open_;
}

}  // namespace sluice::backends
