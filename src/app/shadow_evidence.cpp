#include "app/shadow_evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/service.h"
#include "base/text.h"

namespace sluice::app {

bool ShadowEvidence::is_current(const engine::DecisionRecord& record) {
  if (record.policy == now_.policy) return true;
  if (std::find(retired_.begin(), retired_.end(), record.policy) != retired_.end()) return false;
  if (!now_.policy.empty()) retired_.push_back(now_.policy);
  if (retired_.size() > kMaxRetired) retired_.pop_front();
  now_ = Snapshot();
  now_.policy = record.policy;
  now_.since = record.at;
  return true;
}

void ShadowEvidence::decided(const engine::DecisionRecord& record) {
  const std::lock_guard lock(mutex_);
  if (!is_current(record)) return;
  ++now_.decisions;
  for (const engine::Would& would : record.would) {
    if (now_.rules.size() >= kMaxRules && now_.rules.count(would.rule) == 0) continue;
    const std::string answer =
        would.code == 0
            ? "quarantine or discard"
            : std::to_string(would.code) + (would.status.empty() ? "" : " " + would.status);
    now_.rules[would.rule].add({record.at, record.client, record.from, record.to, answer,
                                record.rule.empty() ? "" : "refused by " + record.rule});
  }
}

ShadowEvidence::Snapshot ShadowEvidence::snapshot() const {
  const std::lock_guard lock(mutex_);
  return now_;
}

std::vector<std::string> shadow_rules(const policy::Program& program) {
  std::vector<std::string> names;
  for (const policy::Rule& rule : program.rules()) {
    if (rule.mode == policy::Mode::Shadow || rule.enforce_percent < 100) names.push_back(rule.name);
  }
  return names;
}

ControlReply render_shadow(const ShadowEvidence::Snapshot& evidence,
                           const std::vector<std::string>& names) {
  std::map<std::string, const RuleEvidence*> rows;
  static const RuleEvidence kNothing;
  for (const std::string& name : names) rows[name] = &kNothing;
  for (const auto& [name, rule] : evidence.rules) rows[name] = &rule;
  nlohmann::ordered_json json{
      {"policy", evidence.policy},
      {"since", evidence.policy.empty() ? "" : render_datetime(evidence.since)},
      {"decisions", evidence.decisions}};
  json["rules"] = nlohmann::ordered_json::array();
  std::string text;
  if (evidence.policy.empty()) {
    text = "nothing was decided yet\n";
  } else {
    text = fmt::format("{} decisions since {} by {}\n", grouped(evidence.decisions),
                       render_datetime(evidence.since), evidence.policy);
  }
  if (rows.empty()) text += "no rule is in shadow\n";
  for (const auto& [name, rule] : rows) {
    nlohmann::ordered_json row{{"rule", name}};
    rule->tell(row);
    json["rules"].push_back(std::move(row));
    if (rule->count() == 0) {
      text += fmt::format("\n{}: would have refused nothing\n", name);
      continue;
    }
    text += fmt::format("\n{}: would have answered {} to {}, from {} senders and {} clients\n{}",
                        name, rule->answers_text(), grouped(rule->count()), rule->senders().text(),
                        rule->clients().text(), rule->samples_text());
  }
  return {kOk, text, json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace)};
}

}  // namespace sluice::app
