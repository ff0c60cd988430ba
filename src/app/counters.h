// Counts of decisions since the start, for `sluice status` and the metrics.
#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "engine/decision.h"

namespace sluice::app {

// How long answers took, as a histogram.
struct DurationCounts {
  // Upper bounds in seconds; one more stands for all above.
  static constexpr std::array<double, 15> kBounds{0.0001, 0.00025, 0.0005, 0.001, 0.0025,
                                                  0.005,  0.01,    0.025,  0.05,  0.1,
                                                  0.25,   0.5,     1,      2.5,   10};
  std::array<std::uint64_t, kBounds.size() + 1> in{};  // of each bucket alone
  std::uint64_t sum_us = 0;
};

// The same, counted by many threads at once.
class DurationCounter {
 public:
  void add(std::int64_t microseconds);
  DurationCounts counts() const;

 private:
  std::array<std::atomic<std::uint64_t>, DurationCounts::kBounds.size() + 1> in_{};
  std::atomic<std::uint64_t> sum_us_{0};
};

class Counters final : public engine::DecisionSink {
 public:
  static constexpr std::size_t kMaxRules = 500;  // with a count of their own; the rest is "other"

  bool reads_texts(const engine::DecisionRecord&) const override { return false; }
  void decided(const engine::DecisionRecord& record) override;

  struct RuleCount {
    std::string rule;
    std::uint64_t answered = 0, would = 0;
  };
  struct DecisionCount {
    mail::Stage stage = mail::Stage::Connect;
    mail::Action action = mail::Action::Continue;
    std::string rule;  // empty: no rule answered
    std::uint64_t n = 0;
  };
  std::uint64_t messages() const { return messages_; }
  std::uint64_t of(mail::Action action) const { return actions_[static_cast<std::size_t>(action)]; }
  std::uint64_t degraded() const { return degraded_; }
  // Rules that answered or would have, the busiest first.
  std::vector<RuleCount> rules() const;
  // By stage, action and rule, in this order.
  std::vector<DecisionCount> decisions() const;
  DurationCounts durations(mail::Stage stage) const {
    return durations_[static_cast<std::size_t>(stage)].counts();
  }

 private:
  static constexpr std::size_t kActions = 6;
  std::array<std::atomic<std::uint64_t>, kActions> actions_{};
  std::array<std::array<std::atomic<std::uint64_t>, kActions>, mail::kStages> unruled_{};
  std::array<DurationCounter, mail::kStages> durations_;
  std::atomic<std::uint64_t> messages_{0}, degraded_{0};
  mutable std::mutex mutex_;
  std::map<std::string, RuleCount> rules_;
  std::map<std::tuple<mail::Stage, mail::Action, std::string>, std::uint64_t> answers_;
};

// Hands each record to several sinks.
class DecisionFanout final : public engine::DecisionSink {
 public:
  explicit DecisionFanout(std::vector<engine::DecisionSink*> sinks) : sinks_(std::move(sinks)) {}
  void add(engine::DecisionSink& sink) { sinks_.push_back(&sink); }  // before the first session
  bool reads_texts(const engine::DecisionRecord& record) const override {
    return std::any_of(sinks_.begin(), sinks_.end(),
                       [&](const auto* sink) { return sink->reads_texts(record); });
  }
  void decided(const engine::DecisionRecord& record) override {
    for (engine::DecisionSink* sink : sinks_) sink->decided(record);
  }

 private:
  std::vector<engine::DecisionSink*> sinks_;
};

}  // namespace sluice::app
