#include "app/counters.h"

#include <algorithm>

namespace sluice::app {

void Counters::decided(const engine::DecisionRecord& record) {
  ++actions_[static_cast<std::size_t>(record.verdict.action)];
  if (record.degraded) ++degraded_;
  const bool accepted = record.verdict.reply.empty();
  if (record.stage == mail::Stage::End && accepted) ++messages_;
  if (record.rule.empty() && record.would.empty()) return;
  const std::lock_guard lock(mutex_);
  if (!record.rule.empty()) {
    RuleCount& count = rules_[record.rule];
    count.rule = record.rule;
    ++count.answered;
  }
  for (const engine::Would& would : record.would) {
    RuleCount& count = rules_[would.rule];
    count.rule = would.rule;
    ++count.would;
  }
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
