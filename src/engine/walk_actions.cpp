// What a matching rule does: its verdict, the actions that do not decide, and what is noted of it.
#include <algorithm>

#include "engine/state_key.h"
#include "engine/walk.h"

namespace sluice::engine {

using policy::ActionSource;
using policy::Rule;
using policy::RuleAction;
using policy::RuleId;
using policy::Truth;
using policy::Value;

namespace {

bool is_kept_or_dropped(mail::Action action) {
  return action == mail::Action::Quarantine || action == mail::Action::Discard;
}

}  // namespace

// --- verdicts ---

void Walk::take(StageEvent& event, RuleId id, Found found) {
  const Rule& rule = c_.program.rule(id);
  if (is_silent(rule, c_.known.connection.client_ip)) return tell_would(event, id, found);
  const bool marks = is_kept_or_dropped(found.action);
  if (marks && found.reason != policy::kNoTemplate) {
    std::optional<std::string> reason = text_of(found.reason, policy::FactSource::kNoElement);
    if (!reason) return;
    found.plain_text = std::move(*reason);
  }
  // Before the dot such a rule only marks the message: a later refusal still wins.
  if (marks && event.facts.stage != mail::Stage::End) {
    out_.marks.push_back({id, found.action, found.plain_text});
    return;
  }
  if (found.strength == Found::Strength::Strong) {
    if (gate_ == Gate::Open) {
      out_.strong = std::move(found);
    } else {
      is_stopped_ = true;
    }
    return;
  }
  const bool waits_for_data = rule.greylist && rule.greylist->at_data &&
                              event.facts.stage == mail::Stage::Rcpt && c_.known.envelope &&
                              mail_is_from_nobody(*c_.known.envelope);
  Found& place = waits_for_data ? out_.at_data : out_.weak;
  if (!place) place = std::move(found);
}

void Walk::tell_would(StageEvent& event, RuleId id, const Found& found) {
  const Rule& rule = c_.program.rule(id);
  const int code = is_kept_or_dropped(found.action) ? 250 : found.code;
  out_.would.emplace_back(id,
                          Would{rule.name, code, code == 250 ? "2.0.0" : found.status.to_string()});
  trace(event, id, 's', "would=" + std::to_string(code));
}

// --- other actions ---

std::optional<std::string> Walk::text_of(policy::TemplateId text, std::uint32_t recipient) {
  if (text == policy::kNoTemplate) return std::string();
  std::optional<std::string> rendered = c_.program.render(text, c_.facts, recipient);
  if (!rendered) pend(Gate::Blocked);
  return rendered;
}

bool Walk::act(StageEvent& event, RuleId id, std::uint32_t recipient, std::int64_t units) {
  const Rule& rule = c_.program.rule(id);
  if (rule.actions.empty()) return true;
  const auto& acted = event.acted;
  if (std::find(acted.begin(), acted.end(), id) != acted.end()) return true;
  for (const RuleAction& action : rule.actions) {
    if (!prepare(event, id, action, recipient, units)) return false;
  }
  out_.acted.push_back(id);
  return true;
}

bool Walk::prepare(StageEvent&, RuleId id, const RuleAction& action, std::uint32_t recipient,
                   std::int64_t units) {
  if (action.kind == ActionSource::Kind::Delay) {
    Duration delay = action.delay_each ? action.delay * units : action.delay;
    if (action.delay_max) delay = std::min(delay, *action.delay_max);
    out_.delay += std::min(delay, c_.services.resources.delay);
    return true;
  }
  if (action.condition != policy::kNoExpr) {
    const Truth truth = c_.program.test(action.condition, c_.facts, recipient).truth;
    if (truth == Truth::Pending) {
      pend(Gate::Blocked);
      return false;
    }
    const Truth wanted = action.condition_negated ? Truth::False : Truth::True;
    if (truth != wanted) return true;
  }
  PreparedAction prepared;
  prepared.kind = action.kind;
  prepared.rule = id;
  prepared.name = action.name;
  prepared.recipient = recipient;
  if (action.value != policy::kNoExpr) {
    const std::optional<Value> value = c_.program.evaluate(action.value, c_.facts, recipient);
    if (!value) {
      pend(Gate::Blocked);
      return false;
    }
    const policy::DynamicList& list = c_.program.dynamic_lists()[action.list];
    const auto element = list_element(*value, list.element);
    if (!element) return true;
    prepared.list = backends::ListAdd{list.name, element->text, element->network, action.keep};
  }
  std::optional<std::string> text = text_of(action.text, recipient);
  if (!text) return false;
  prepared.text = std::move(*text);
  out_.actions.push_back(std::move(prepared));
  return true;
}

// --- notes ---

void Walk::note_seen(StageEvent& event, RuleId id, std::uint32_t recipient) {
  const Rule& rule = c_.program.rule(id);
  if (rule.seen_sites.empty() || rule.mode == policy::Mode::Shadow) return;
  enter(event, &rule);
  for (std::size_t call = 0; call < rule.seen_sites.size(); ++call) {
    const auto visit = [&](std::span<const Value> values, Duration within) {
      std::vector<std::string> parts;
      for (const Value& value : values) parts.push_back(key_part(value, policy::Kind::Text));
      out_.seen.push_back({seen_key(c_.program, rule, call, parts), within});
    };
    if (!c_.program.visit_seen(rule.seen_sites[call], c_.facts, recipient, visit)) pend(Gate::Open);
  }
}

void Walk::trace(StageEvent& event, RuleId id, char result, std::string note) {
  if (!c_.services.trace || out_.trace.size() >= c_.services.resources.trace_rules) return;
  const Rule& rule = c_.program.rule(id);
  // What a rule came to in the end replaces what its condition alone had given.
  const bool again = !out_.trace.empty() && out_.trace.back().rule == rule.name &&
                     out_.trace.back().stage == event.facts.stage;
  if (!again) {
    out_.trace.push_back({rule.name,
                          std::string(rule_kind_name(rule.kind)),
                          event.facts.stage,
                          result,
                          std::move(note),
                          {}});
    if (rule.condition == policy::kNoExpr) return;
    for (const policy::FactIndex fact : c_.program.facts_of(rule.condition)) {
      if (const Value* value = c_.facts.known(fact, policy::FactSource::kNoElement))
        out_.trace.back().values.emplace_back(c_.program.facts()[fact].signature.name,
                                              policy::render_value(*value));
    }
    return;
  }
  out_.trace.back().result = result;
  if (!note.empty()) out_.trace.back().note = std::move(note);
}

}  // namespace sluice::engine
