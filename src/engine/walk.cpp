#include "engine/walk.h"

#include <algorithm>

#include "engine/state_key.h"

namespace sluice::engine {

using policy::FactSource;
using policy::Rule;
using policy::RuleId;
using policy::RuleKind;
using policy::Truth;
using policy::Value;

namespace {

bool reaches(const policy::Program& program, RuleId exemption, RuleId rule) {
  const auto& exempts = program.rule(exemption).exempts;
  return std::binary_search(exempts.begin(), exempts.end(), rule);
}

// A walk needs them while it is in one stage; the thread keeps them for its next walk.
std::vector<RuleId>& own_candidates() {
  thread_local std::vector<RuleId> candidates;
  return candidates;
}

}  // namespace

Walk::Walk(Context context, StageOutcome& out)
    : c_(context), out_(out), candidates_(own_candidates()) {}

// --- exemptions ---

std::optional<RuleId> Walk::exempted_by(RuleId rule) const {
  for (const auto& exemption : c_.scopes.connection) {
    if (reaches(c_.program, exemption.rule, rule)) return exemption.rule;
  }
  for (const auto& exemption : c_.scopes.message) {
    if (reaches(c_.program, exemption.rule, rule)) return exemption.rule;
  }
  for (const RuleId exemption : out_.exemptions) {
    if (reaches(c_.program, exemption, rule)) return exemption;
  }
  const auto& all = c_.scopes.all_recipients;
  if (!all.empty() && std::binary_search(all.begin(), all.end(), rule)) {
    for (const RuleId exemption : c_.known.accepted_states.front().exemptions) {
      if (reaches(c_.program, exemption, rule)) return exemption;
    }
  }
  return std::nullopt;
}

bool Walk::is_touched(mail::Stage stage) const {
  const auto touches = [&](RuleId exemption) {
    const auto& reached = c_.program.rule(exemption).exempts;
    return std::any_of(reached.begin(), reached.end(), [&](RuleId id) {
      const Rule& rule = c_.program.rule(id);
      return rule.stage == stage || (rule.kind == RuleKind::Score && rule.stage < stage);
    });
  };
  const auto is_later = [&](const Scopes::Exemption& exemption) {
    return exemption.stage > stage && touches(exemption.rule);
  };
  const auto& scopes = c_.scopes;
  return std::any_of(scopes.connection.begin(), scopes.connection.end(), is_later) ||
         std::any_of(scopes.message.begin(), scopes.message.end(), is_later) ||
         std::any_of(out_.exemptions.begin(), out_.exemptions.end(), touches);
}

void Walk::enter(StageEvent& event, const Rule* rule) {
  c_.facts.enter(event.facts);
  c_.facts.set_rule(rule);
}

void Walk::pend(Gate gate) {
  out_.is_pending = true;
  gate_ = std::max(gate_, gate);
}

bool Walk::exempt(StageEvent& event) {
  const auto& ids = c_.program.stage(event.facts.stage).exempts;
  if (ids.empty()) return true;
  tell_score(event.facts.stage, false, false);
  for (const RuleId id : ids) {
    const Rule& rule = c_.program.rule(id);
    enter(event, &rule);
    note_seen(event, id, FactSource::kNoElement);
    const policy::TruthOutcome truth = c_.program.test(rule.condition, c_.facts);
    if (truth.truth == Truth::Pending) {
      pend(Gate::Blocked);
      continue;
    }
    const bool matches =
        truth.truth == Truth::True ||
        (truth.truth == Truth::Unknown && rule.on_unknown.what == policy::OnUnknown::What::Match);
    // An exemption that could not be decided does not apply, and the log says so.
    if (truth.truth == Truth::Unknown)
      out_.unknown.push_back(std::string(truth.unknown_fact) + "(" +
                             std::string(policy::reason_name(truth.reason)) + ")");
    trace(event, id, truth.truth == Truth::Unknown ? '?' : matches ? 'T' : 'F');
    const bool silent = matches && is_silent(rule, c_.known.connection.client_ip);
    if (matches && !silent) out_.exemptions.push_back(id);
  }
  return gate_ == Gate::Open;
}

// --- scores ---

double Walk::score_at(mail::Stage stage, bool own) const {
  double score = 0;
  const auto add = [&](const std::vector<Scopes::Points>& points) {
    for (const auto& entry : points) {
      if (entry.stage <= stage && !exempted_by(entry.of.rule)) score += entry.of.points;
    }
  };
  add(c_.scopes.connection_points);
  add(c_.scopes.message_points);
  if (own) {
    for (const Contribution& points : out_.points) score += points.points;
  }
  return score;
}

void Walk::tell_score(mail::Stage stage, bool own, bool is_pending) {
  c_.facts.set_score(score_at(stage, own), is_pending);
  if (!c_.facts.wants_scorers()) return;
  std::vector<RuleId> rules;
  for (const auto* points : {&c_.scopes.connection_points, &c_.scopes.message_points}) {
    for (const auto& entry : *points) {
      if (entry.stage <= stage && !exempted_by(entry.of.rule)) rules.push_back(entry.of.rule);
    }
  }
  if (own) {
    for (const Contribution& points : out_.points) rules.push_back(points.rule);
  }
  c_.facts.set_scorers(rules);
}

bool Walk::score(StageEvent& event) {
  for (const RuleId id : c_.program.stage(event.facts.stage).scores) {
    const Rule& rule = c_.program.rule(id);
    if (skip(id)) continue;
    enter(event, &rule);
    tell_score(event.facts.stage, true, out_.is_pending);
    if (!holds(event, id, FactSource::kNoElement)) continue;
    const std::optional<Value> points = c_.program.evaluate(rule.score_add, c_.facts);
    if (!points) {
      pend(Gate::Blocked);
      continue;
    }
    if (is_silent(rule, c_.known.connection.client_ip)) continue;
    if (const auto* number = points->get_if<double>()) out_.points.push_back({id, *number});
    if (const auto* number = points->get_if<std::int64_t>())
      out_.points.push_back({id, static_cast<double>(*number)});
  }
  return gate_ == Gate::Open;
}

// --- rules, limits, greylists ---

bool Walk::skip(RuleId id) {
  const std::optional<RuleId> exemption = exempted_by(id);
  if (!exemption) return false;
  out_.skipped.emplace_back(id, *exemption);
  if (c_.services.trace) {
    const Rule& rule = c_.program.rule(id);
    out_.trace.push_back({rule.name,
                          std::string(rule_kind_name(rule.kind)),
                          rule.stage,
                          'x',
                          "by=" + c_.program.rule(*exemption).name,
                          {}});
  }
  return true;
}

void Walk::decide(StageEvent& event, As as, bool only_ask) {
  again_ = as == As::Again;
  if (only_ask) pend(Gate::Blocked);
  enter(event, nullptr);
  tell_score(event.facts.stage, !again_, only_ask);
  for (const RuleId id : deciders(event.facts.stage)) {
    decide_rule(event, id, as);
    if (out_.strong || is_stopped_) return;
  }
}

// Each rule, where each is told of: in a trace, or when an exemption may pass it over. Else those
// that can match.
const std::vector<RuleId>& Walk::deciders(mail::Stage stage) {
  const auto& all = c_.program.stage(stage).deciders;
  const auto& scopes = c_.scopes;
  const bool is_told = c_.services.trace || !scopes.connection.empty() || !scopes.message.empty() ||
                       !scopes.all_recipients.empty() || !out_.exemptions.empty();
  if (is_told || all.size() <= kTriedOneByOne) return all;
  c_.program.candidates(stage, c_.facts, candidates_);
  return candidates_;
}

void Walk::decide_rule(StageEvent& event, RuleId id, As as) {
  const Rule& rule = c_.program.rule(id);
  counts_exempt_ = false;
  const bool is_failures = rule.limit && rule.limit->count == policy::CountOf::Failures;
  if (is_failures && rule.stage == mail::Stage::Rcpt) return;
  if (as == As::RefusedByMta && rule.kind != RuleKind::Rule) return;
  if (skip(id)) {
    if (!rule.limit || !rule.limit->count_exempt) return;
    counts_exempt_ = true;
  }
  enter(event, &rule);
  switch (rule.kind) {
    case RuleKind::Rule:
      if (rule.for_each_rcpt && event.facts.stage >= mail::Stage::Data) {
        decide_each_recipient(event, id, as);
      } else {
        decide_ordinary(event, id, as, FactSource::kNoElement);
      }
      break;
    case RuleKind::Limit:
      decide_limit(event, id);
      break;
    case RuleKind::Greylist:
      decide_greylist(event, id);
      break;
    case RuleKind::Score:
    case RuleKind::Exempt:
      break;
  }
}

void Walk::decide_each_recipient(StageEvent& event, RuleId id, As as) {
  for (std::uint32_t i = 0; i < c_.facts.recipient_count(); ++i) decide_ordinary(event, id, as, i);
}

void Walk::decide_ordinary(StageEvent& event, RuleId id, As as, std::uint32_t recipient) {
  const Rule& rule = c_.program.rule(id);
  note_seen(event, id, recipient);
  if (!holds(event, id, recipient)) return;
  if (!is_silent(rule, c_.known.connection.client_ip) && !act(event, id, recipient, 1)) return;
  if (rule.decision && as != As::RefusedByMta) take(event, id, decision_found(rule, id, event, {}));
}

bool Walk::holds(StageEvent& event, RuleId id, std::uint32_t recipient) {
  const Rule& rule = c_.program.rule(id);
  const policy::TruthOutcome truth = c_.program.test(rule.condition, c_.facts, recipient);
  switch (truth.truth) {
    case Truth::Pending:
      pend(Gate::Blocked);
      return false;
    case Truth::Unknown:
      return handle_unknown(event, id, truth.reason, truth.unknown_fact);
    case Truth::True:
      trace(event, id, 'T');
      return true;
    case Truth::False:
      trace(event, id, 'F');
      return false;
  }
  return false;
}

bool Walk::handle_unknown(StageEvent& event, RuleId id, policy::UnknownReason reason,
                          std::string_view of) {
  const Rule& rule = c_.program.rule(id);
  std::string what = std::string(of) + "(" + std::string(policy::reason_name(reason)) + ")";
  trace(event, id, '?', "unknown=" + what);
  out_.unknown.push_back(std::move(what));
  switch (rule.on_unknown.what) {
    case policy::OnUnknown::What::Skip:
      return false;
    case policy::OnUnknown::What::Match:
      return true;
    case policy::OnUnknown::What::Defer:
      take(event, id, unknown_found(rule, id, event, reason));
      return false;
  }
  return false;
}

bool is_silent(const Rule& rule, const std::optional<IpAddress>& client) {
  return rule.mode == policy::Mode::Shadow || !is_enforced_for(rule.enforce_percent, client);
}

}  // namespace sluice::engine
