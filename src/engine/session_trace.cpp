// The trace of an answer: each rule that was tried and the values it saw. Made afterwards, only for
// answers that are worth it, from what is known by then: nothing is asked for it and nothing
// changes. The facts are memoised, so the conditions come to what they came to before.
#include <algorithm>

#include "engine/greylister.h"
#include "engine/session_state.h"

namespace sluice::engine {

using mail::Stage;
using policy::FactSource;
using policy::Rule;
using policy::RuleId;
using policy::RuleKind;
using policy::Truth;

namespace {

const char* greylist_word(backends::GreylistState state) {
  switch (state) {
    case backends::GreylistState::Unknown:
      return "never seen";
    case backends::GreylistState::Waiting:
      return "waiting";
    case backends::GreylistState::Ready:
      return "came back in time";
    case backends::GreylistState::Passed:
      return "passed before";
    case backends::GreylistState::AutoAllowed:
      return "client is known";
  }
  return "";
}

struct Tested {
  policy::TruthOutcome truth;
  std::uint32_t recipient = FactSource::kNoElement;  // for whom
};

// As the walk did it: content rules that are meant for each recipient hold when they do for one.
Tested test_again(const policy::Program& program, FactTable& facts, const Rule& rule, Stage stage) {
  if (!rule.for_each_rcpt || stage < Stage::Data) return {program.test(rule.condition, facts)};
  Tested tested;
  for (std::uint32_t i = 0; i < facts.recipient_count(); ++i) {
    const policy::TruthOutcome truth = program.test(rule.condition, facts, i);
    if (truth.truth != Truth::False) tested = {truth, i};
    if (truth.truth == Truth::True) break;
  }
  return tested;
}

char letter_of(Truth truth, policy::OnUnknown::What on_unknown) {
  if (truth == Truth::True) return 'T';
  if (truth == Truth::False) return 'F';
  return on_unknown == policy::OnUnknown::What::Match ? 'T' : '?';
}

}  // namespace

// Rules of the stages that this answer was made from, in the order in which they are tried.
std::vector<RuleTrace> Session::State::trace_answer() {
  std::vector<RuleTrace> list;
  facts.expire();  // from here on nobody waits
  Walk walk({services, *program, facts, requests, known, scopes, ledger, transaction->limits}, *out);
  const bool is_held_told = stage == Stage::Rcpt || stage == Stage::Mail;
  if (is_held_told) {
    for (StageEvent* event : {connect_event.get(), helo_event.get(), mail_event.get()}) {
      if (event != nullptr && !trace_stage(*event, walk, list)) return list;
    }
  }
  if (stage == Stage::End && headers_event && !trace_stage(*headers_event, walk, list)) return list;
  trace_stage(*here, walk, list);
  return list;
}

// False: the verdict fell here, nothing behind it was tried.
bool Session::State::trace_stage(StageEvent& event, const Walk& walk,
                                 std::vector<RuleTrace>& list) {
  const policy::StageRules& rules = program->stage(event.facts.stage);
  facts.enter(event.facts);
  facts.set_score(walk.score_at(event.facts.stage, &event == here.get()), false);
  for (const auto* ids : {&rules.exempts, &rules.scores, &rules.deciders}) {
    for (const RuleId tried : *ids) {
      if (list.size() >= services.resources.trace_rules) return false;
      list.push_back(trace_rule(event, walk, tried));
      if (out->strong && out->strong.rule == tried && out->strong.instead_of_rule.empty())
        return false;
    }
  }
  return true;
}

RuleTrace Session::State::trace_rule(StageEvent& event, const Walk& walk, RuleId tried) {
  const Rule& rule = program->rule(tried);
  RuleTrace trace{rule.name, std::string(rule_kind_name(rule.kind)), event.facts.stage, 'F', {},
                  {}};
  if (rule.kind != RuleKind::Exempt) {
    if (const auto exemption = walk.exempted_by(tried)) {
      trace.result = 'x';
      trace.note = "by=" + program->rule(*exemption).name;
      return trace;
    }
  }
  facts.set_rule(&rule);
  const auto [truth, recipient] = test_again(*program, facts, rule, event.facts.stage);
  trace.result = letter_of(truth.truth, rule.on_unknown.what);
  if (truth.truth == Truth::Unknown)
    trace.note = "unknown=" + std::string(truth.unknown_fact) + "(" +
                 std::string(policy::reason_name(truth.reason)) + ")";
  if (rule.condition != policy::kNoExpr) {
    for (const policy::FactIndex fact : program->facts_of(rule.condition)) {
      if (const policy::Value* value = facts.known(fact, recipient))
        trace.values.emplace_back(program->facts()[fact].signature.name,
                                  policy::render_value(*value));
    }
  }
  if (trace.result == 'T') trace_state(event, tried, trace);
  for (const auto& [silent, would] : out->would) {
    if (silent != tried) continue;
    trace.result = 's';
    trace.note += (trace.note.empty() ? "would=" : "; would=") + std::to_string(would.code);
  }
  return trace;
}

// What the store said of a limit or greylist whose condition holds.
void Session::State::trace_state(const StageEvent& event, RuleId tried,
                                 RuleTrace& trace) const {
  for (const auto* uses :
       {&event.limits, &scopes.message_limits, &scopes.connection_limits, &transaction->limits}) {
    for (const auto& use : *uses) {
      if (use->rule != tried) continue;
      const backends::StateAnswer* said = use->local ? &*use->local : use->answer();
      if (said == nullptr || !said->available) {
        trace.result = '?';
        trace.note = "store away";
      } else {
        trace.note = used_note(program->rule(tried), *use, *said);
        if (said->granted) trace.result = 'F';
      }
    }
  }
  for (const auto& use : event.greylists) {
    if (use->rule != tried || !use->slot || !use->slot->answer) continue;
    trace.note = use->slot->answer->available ? greylist_word(use->slot->answer->greylist)
                                              : "store away";
    if (!asks_to_wait(*use->slot->answer)) trace.result = 'F';
  }
}

}  // namespace sluice::engine
