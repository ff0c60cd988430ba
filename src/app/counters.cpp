#include "app/counters.h"

#include <algorithm>

namespace sluice::app {

void DurationCounter::add(std::int64_t microseconds) {
  const auto& bounds = DurationCounts::kBounds;
  const double seconds = static_cast<double>(microseconds) / 1e6;
  const auto bucket = std::lower_bound(bounds.begin(), bounds.end(), seconds) - bounds.begin();
  in_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_us_.fetch_add(static_cast<std::uint64_t>(std::max<std::int64_t>(microseconds, 0)),
                    std::memory_order_relaxed);
}

DurationCounts DurationCounter::counts() const {
  DurationCounts counts;
  for (std::size_t i = 0; i < in_.size(); ++i) counts.in[i] = in_[i];
  counts.sum_us = sum_us_;
  return counts;
}

void Counters::decided(const engine::DecisionRecord& record) {
  const auto stage = static_cast<std::size_t>(record.stage);
  const auto action = static_cast<std::size_t>(record.verdict.action);
  ++actions_[action];
  durations_[stage].add(record.duration_us);
  if (record.degraded) ++degraded_;
  const bool accepted = record.verdict.reply.empty();
  if (record.stage == mail::Stage::End && accepted) ++messages_;
  if (record.rule.empty()) ++unruled_[stage][action];
  if (record.rule.empty() && record.would.empty()) return;
  const std::lock_guard lock(mutex_);
  // Names come from the policy, which a reload may change any number of times.
  const auto name_of = [this](const std::string& rule) -> std::string {
    return rules_.size() < kMaxRules || rules_.count(rule) > 0 ? rule : "other";
  };
  if (!record.rule.empty()) {
    const std::string name = name_of(record.rule);
    RuleCount& count = rules_[name];
    count.rule = name;
    ++count.answered;
    ++answers_[{record.stage, record.verdict.action, name}];
  }
  for (const engine::Would& would : record.would) {
    const std::string name = name_of(would.rule);
    RuleCount& count = rules_[name];
    count.rule = name;
    ++count.would;
  }
}

std::vector<Counters::DecisionCount> Counters::decisions() const {
  std::vector<DecisionCount> list;
  for (std::size_t stage = 0; stage < mail::kStages; ++stage) {
    for (std::size_t action = 0; action < kActions; ++action) {
      const std::uint64_t n = unruled_[stage][action];
      if (n > 0)
        list.push_back({static_cast<mail::Stage>(stage), static_cast<mail::Action>(action), {}, n});
    }
  }
  const std::lock_guard lock(mutex_);
  for (const auto& [key, n] : answers_)
    list.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), n});
  return list;
}

std::vector<Counters::RuleCount> Counters::rules() const {
  std::vector<RuleCount> list;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, count] : rules_) list.push_back(count);
  }
  std::stable_sort(list.begin(), list.end(), [](const RuleCount& a, const RuleCount& b) {
    return a.answered + a.would > b.answered + b.would;
  });
  return list;
}

}  // namespace sluice::app
