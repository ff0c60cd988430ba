#include "policy/lints.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

namespace sluice::policy {
namespace {

// A rule that always ends its stage: enforced, without condition, out of reach of every exemption.
bool always_decides(const Rule& rule, const Code& code) {
  if (rule.kind != RuleKind::Rule || !rule.decision || rule.mode != Mode::Enforce || rule.enforce_percent < 100) return false;
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
    if (rule.kind == RuleKind::Exempt || rule.kind == RuleKind::Score || rule.mode == Mode::Disabled) continue;
    auto& end = ends[static_cast<std::size_t>(rule.stage)];
    if (end) {
      c.findings.warning("W802", rule.origin, "`" + rule.name + "` can never run: `" + rules[*end].name + "` (line " +
                                                  std::to_string(rules[*end].origin.line) + ") decides every time at " +
                                                  std::string(mail::stage_name(rule.stage)));
    } else if (always_decides(rule, c.code) && !exempted.contains(id)) {
      end = id;
    }
  }
}

// A bundle that is included may offer lists to others.
void warn_unused_lists(Compilation& c) {
  for (const DeclaredList& list : c.names.lists())
    if (!list.used && c.source.files[list.source->file].prefix.empty())
      c.findings.warning("W803", list.source->span, "list `" + list.source->name + "` is used nowhere");
  for (const DeclaredTable& table : c.names.tables())
    if (!table.used && c.source.files[table.source->file].prefix.empty())
      c.findings.warning("W803", table.source->span, "table `" + table.source->name + "` is used nowhere");
}

}  // namespace sluice::policy
