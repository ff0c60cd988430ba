// Counts of decisions since the start, for `sluice status`.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "engine/decision.h"

namespace sluice::app {

class Counters final : public engine::DecisionSink {
 public:
  void decided(const engine::DecisionRecord& record) override;

  struct RuleCount {
    std::string rule;
    std::uint64_t answered = 0, would = 0;
  };
  std::uint64_t messages() const { return messages_; }
  std::uint64_t of(mail::Action action) const { return actions_[static_cast<std::size_t>(action)]; }
  std::uint64_t degraded() const { return degraded_; }
  // Rules that answered or would have, the busiest first.
  std::vector<RuleCount> rules() const;

 private:
  std::array<std::atomic<std::uint64_t>, 6> actions_{};
  std::atomic<std::uint64_t> messages_{0}, degraded_{0};
  mutable std::mutex mutex_;
  std::map<std::string, RuleCount> rules_;  // bounded by the rules of the policies
};

// Hands each record to several sinks.
class DecisionFanout final : public engine::DecisionSink {
 public:
  explicit DecisionFanout(std::vector<engine::DecisionSink*> sinks) : sinks_(std::move(sinks)) {}
  void decided(const engine::DecisionRecord& record) override {
    for (engine::DecisionSink* sink : sinks_) sink->decided(record);
  }

 private:
  std::vector<engine::DecisionSink*> sinks_;
};

}  // namespace sluice::app
