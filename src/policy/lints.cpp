#include "policy/lints.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

namespace sluice::policy {
namespace {

// A rule that always ends its stage: enforced, without condition, out of reach of every exemption.
bool always_decides(const Rule& rule, const Code& code) {
  if (rule.kind != RuleKind::Rule || !rule.decision || rule.mode != Mode::Enforce ||
      rule.enforce_percent < 100)
    return false;
  const mail::Action action = rule.decision->action;
  const bool marks = action == mail::Action::Quarantine || action == mail::Action::Discard;
  if (marks && rule.stage != mail::Stage::End) return false;
  if (rule.condition == kNoExpr) return true;
  const CodeNode& node = code.nodes[code.expressions[rule.condition].root];
  const bool* truth = node.op == Op::Constant ? code.constants[node.a].get_if<bool>() : nullptr;
  return truth && *truth;
}

}  // namespace

void warn_unreachable(Compilation& c, const std::vector<Rule>& rules) {
  std::set<RuleId> exempted;
  for (const Rule& rule : rules) exempted.insert(rule.exempts.begin(), rule.exempts.end());
  std::array<std::optional<RuleId>, mail::kStages> ends;
  for (RuleId id = 0; id < rules.size(); ++id) {
    const Rule& rule = rules[id];
    if (rule.kind == RuleKind::Exempt || rule.kind == RuleKind::Score ||
        rule.mode == Mode::Disabled)
      continue;
    auto& end = ends[static_cast<std::size_t>(rule.stage)];
    if (end) {
      c.findings.warning("W802", rule.origin,
                         "`" + rule.name + "` can never run: `" + rules[*end].name + "` (line " +
                             std::to_string(rules[*end].origin.line) + ") decides every time at " +
                             std::string(mail::stage_name(rule.stage)));
    } else if (always_decides(rule, c.code) && !exempted.contains(id)) {
      end = id;
    }
  }
}

namespace {

const std::string* state_key_of(const Rule& rule) {
  if (rule.limit) return &rule.limit->state_key;
  return rule.greylist ? &rule.greylist->state_key : nullptr;
}

// "limit/count/expressions": what is left of a state key without policy and name.
std::string form_of(const Rule& rule, const Program& program) {
  const std::string start = program.policy() + "/" + rule.name + "/";
  const std::string& key = *state_key_of(rule);
  return key.starts_with(start) ? key.substr(start.size()) : key;
}

}  // namespace

void warn_about_renames(const Program& before, const Program& after, Diagnostics& diagnostics) {
  std::set<std::string> names, keys;
  for (const Rule& rule : after.rules()) names.insert(rule.name);
  std::map<std::string, std::string> gone;  // form -> name
  for (const Rule& rule : before.rules()) {
    if (!state_key_of(rule)) continue;
    keys.insert(*state_key_of(rule));
    if (!names.contains(rule.name)) gone.emplace(form_of(rule, before), rule.name);
  }
  for (const Rule& rule : after.rules()) {
    if (!state_key_of(rule) || keys.contains(*state_key_of(rule))) continue;
    const auto old = gone.find(form_of(rule, after));
    if (old != gone.end())
      diagnostics.warning("W801", rule.origin,
                          "`" + rule.name + "` begins without the state of `" + old->second +
                              "`, which is gone: if it was renamed add `was: " + old->second + "`");
  }
}

// A bundle that is included may offer lists to others.
void warn_unused_lists(Compilation& c) {
  for (const DeclaredList& list : c.names.lists())
    if (!list.used && c.source.files[list.source->file].prefix.empty())
      c.findings.warning("W803", list.source->span,
                         "list `" + list.source->name + "` is used nowhere");
  for (const DeclaredTable& table : c.names.tables())
    if (!table.used && c.source.files[table.source->file].prefix.empty())
      c.findings.warning("W803", table.source->span,
                         "table `" + table.source->name + "` is used nowhere");
}

}  // namespace sluice::policy
