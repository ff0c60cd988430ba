// The part of the walk that meets the state store: limits and greylists.
#include <algorithm>

#include "engine/decision_id.h"
#include "engine/greylister.h"
#include "engine/limiter.h"
#include "engine/walk.h"

namespace sluice::engine {

using backends::StateAnswer;
using policy::CountOf;
using policy::FactSource;
using policy::Rule;
using policy::RuleId;

// --- limits ---

void Walk::decide_limit(StageEvent& event, RuleId id) {
  const Rule& rule = c_.program.rule(id);
  note_seen(event, id, FactSource::kNoElement);
  if (!holds(event, id, FactSource::kNoElement)) return;
  auto how = LimitUse::How::Reserve;
  if (!rule.decision || counts_exempt_) how = LimitUse::How::Observe;
  if (rule.limit->count == CountOf::Failures) how = LimitUse::How::Peek;
  LimitUse* use = use_of(event, id, how, -1);
  if (use == nullptr) return;
  const StateAnswer* answer = answer_for(event, *use);
  if (answer == nullptr) return;
  if (answer->granted || use->how != LimitUse::How::Reserve) out_.limits.push_back(use);
  if (answer->granted || counts_exempt_) return;
  exceed(event, *use, *answer, true);
}

LimitUses& Walk::uses_of(StageEvent& event, const Rule& rule) {
  if (rule.limit->count == CountOf::Connections) return c_.scopes.connection_limits;
  if (rule.limit->count == CountOf::Messages && rule.stage == mail::Stage::Rcpt)
    return c_.scopes.message_limits;
  return event.limits;
}

LimitUse* Walk::use_of(StageEvent& event, RuleId id, LimitUse::How how, std::int64_t n) {
  const Rule& rule = c_.program.rule(id);
  auto& uses = uses_of(event, rule);
  const bool by_key = &uses == &c_.scopes.message_limits;
  const auto same_rule = [id](const auto& use) { return use->rule == id; };
  if (!by_key) {
    const auto found = std::find_if(uses.begin(), uses.end(), same_rule);
    if (found != uses.end()) return found->get();
  }
  auto wanted = make_recycled<LimitUse>();
  const LimitDemand demand = limit_demand(c_.program, rule, c_.facts, event.facts.stage,
                                          FactSource::kNoElement, wanted->asked);
  if (n >= 0) wanted->asked.n = n;
  switch (demand.state) {
    case LimitDemand::State::Pending:
      pend(Gate::Blocked);
      return nullptr;
    case LimitDemand::State::Unknown:
      handle_unknown(event, id, demand.reason, demand.unknown_of);
      return nullptr;
    case LimitDemand::State::Unlimited:
      return nullptr;
    case LimitDemand::State::Ready:
      break;
  }
  if (by_key) {
    for (const auto& use : uses) {
      if (use->rule == id && use->asked.key == wanted->asked.key) return use.get();
    }
  }
  // Something in front is open and may decide: a reservation now might have to be given back.
  if (gate_ == Gate::Blocked) return nullptr;
  wanted->rule = id;
  wanted->how = how;
  return ask_limit(event, std::move(wanted));
}

LimitUse* Walk::ask_limit(StageEvent& event, Recycled<LimitUse> use) {
  backends::Reserve& asked = use->asked;
  asked.id = draw_reservation_id();
  asked.even_if_exceeded = use->how == LimitUse::How::Observe;
  if (use->how == LimitUse::How::Reserve)
    use->at_once = c_.ledger.denial(asked, event.facts.now);
  if (use->how == LimitUse::How::Peek) {
    use->slot = c_.requests.ask(
        backends::Peek{asked.key, asked.n, asked.windows, asked.bucket, asked.distinct});
  } else {
    if (!use->at_once) use->at_once = c_.requests.reserve_at_once(asked);
    if (!use->at_once) use->slot = c_.requests.ask(asked);
  }
  LimitUses& uses = uses_of(event, c_.program.rule(use->rule));
  uses.push_back(std::move(use));
  return uses.back().get();
}

const StateAnswer* Walk::answer_for(StageEvent& event, LimitUse& use) {
  const Rule& rule = c_.program.rule(use.rule);
  if (use.answer() == nullptr) {
    // A limit that cannot end the stage holds nothing up that stands behind it.
    const bool may_decide = use.how != LimitUse::How::Observe && rule.decision &&
                            !is_silent(rule, c_.known.connection.client_ip);
    pend(may_decide ? Gate::Reserving : Gate::Open);
    return nullptr;
  }
  const StateAnswer& answer = *use.answer();
  if (answer.available && !answer.unsure) return &answer;
  trace(event, use.rule, '?', "store away");
  switch (rule.on_error) {
    case policy::OnError::Local:
      return local_answer(rule, use);
    case policy::OnError::Skip:
      return nullptr;
    case policy::OnError::Defer:
      take(event, use.rule, store_away_found(rule, use.rule, event));
      return nullptr;
  }
  return nullptr;
}

const StateAnswer* Walk::local_answer(const Rule& rule, LimitUse& use) {
  if (use.local) return &*use.local;
  if (c_.services.local_store == nullptr) return nullptr;
  const backends::Reserve asked = local_demand(use.asked, *rule.limit);
  backends::StateOp op = asked;
  if (use.how == LimitUse::How::Peek)
    op = backends::Peek{asked.key, asked.n, asked.windows, asked.bucket, asked.distinct};
  // The local limiter is memory of this process and answers before submit() returns.
  std::optional<StateAnswer> got;
  c_.services.local_store->submit({std::move(op)}, [&got](const std::vector<StateAnswer>& answers) {
    if (!answers.empty()) got = answers.front();
  });
  if (!got || !got->available) return nullptr;
  use.agreed = std::exchange(use.asked.windows, {});
  use.asked = asked;
  use.is_local = true;
  use.local = std::move(got);
  return &*use.local;
}

void Walk::exceed(StageEvent& event, LimitUse& use, const StateAnswer& answer,
                  bool answer_is_seen) {
  const Rule& rule = c_.program.rule(use.rule);
  if (answer.by_committed_use && use.how == LimitUse::How::Reserve && !use.is_local)
    c_.ledger.remember_denial(use.asked, answer, event.facts.now);
  Words words = limit_words(rule, use, answer);
  if (c_.services.trace)
    trace(event, use.rule, is_silent(rule, c_.known.connection.client_ip) ? 's' : 'T',
          used_note(rule, use, answer));
  if (!is_silent(rule, c_.known.connection.client_ip)) {
    c_.facts.set_words(&words);
    const bool ready = act(event, use.rule, FactSource::kNoElement, units_over(use, answer, c_.held));
    c_.facts.set_words(nullptr);
    if (!ready) return;
  }
  if (rule.decision && answer_is_seen)
    take(event, use.rule, decision_found(rule, use.rule, event, std::move(words)));
}

void Walk::judge_failures(StageEvent& event, bool is_failure, bool refused_by_mta) {
  std::optional<Found> first;
  const Found verdict = out_.strong;
  for (const RuleId id : c_.program.stage(mail::Stage::Rcpt).deciders) {
    const Rule& rule = c_.program.rule(id);
    if (!rule.limit || rule.limit->count != CountOf::Failures) continue;
    counts_exempt_ = false;
    if (skip(id)) {
      if (!rule.limit->count_exempt) continue;
      counts_exempt_ = true;
    }
    enter(event, &rule);
    if (!holds(event, id, FactSource::kNoElement)) continue;
    // A failure is charged in any case; for other recipients the limit only asks whether it is
    // over.
    LimitUse* use = use_of(event, id, is_failure ? LimitUse::How::Observe : LimitUse::How::Peek,
                           is_failure ? 1 : 0);
    const StateAnswer* answer = use != nullptr ? answer_for(event, *use) : nullptr;
    if (answer == nullptr) continue;
    out_.limits.push_back(use);
    if (answer->granted || counts_exempt_) continue;
    out_.strong = Found();
    exceed(event, *use, *answer, !refused_by_mta);
    if (out_.strong && !first) first = out_.strong;
  }
  out_.strong = first ? *first : verdict;
}

// --- greylists ---

void Walk::decide_greylist(StageEvent& event, RuleId id) {
  const Rule& rule = c_.program.rule(id);
  note_seen(event, id, FactSource::kNoElement);
  if (!holds(event, id, FactSource::kNoElement)) return;
  GreylistUse* use = look_up(event, id);
  if (use == nullptr) return;
  if (!use->slot->answer) return pend(Gate::Open);
  out_.greylists.push_back(use);
  const StateAnswer& answer = *use->slot->answer;
  if (!asks_to_wait(answer)) return;
  Words words{{"greylist.wait", wait_text(answer.wait)}};
  if (!is_silent(rule, c_.known.connection.client_ip)) {
    c_.facts.set_words(&words);
    const bool ready = act(event, id, FactSource::kNoElement, 1);
    c_.facts.set_words(nullptr);
    if (!ready) return;
  }
  take(event, id, decision_found(rule, id, event, std::move(words)));
}

GreylistUse* Walk::look_up(StageEvent& event, RuleId id) {
  for (const auto& use : event.greylists) {
    if (use->rule == id) return use.get();
  }
  const Rule& rule = c_.program.rule(id);
  GreylistDemand demand = greylist_demand(c_.program, rule, c_.facts, FactSource::kNoElement);
  if (demand.state == GreylistDemand::State::Pending) {
    pend(Gate::Open);
    return nullptr;
  }
  if (demand.state == GreylistDemand::State::Unknown) {
    handle_unknown(event, id, demand.reason, demand.unknown_of);
    return nullptr;
  }
  auto use = std::make_unique<GreylistUse>();
  use->rule = id;
  use->key = std::move(demand.key);
  use->name = std::move(demand.name);
  use->auto_key = std::move(demand.auto_key);
  use->slot = c_.requests.ask(look_of(*rule.greylist, *use));
  event.greylists.push_back(std::move(use));
  return event.greylists.back().get();
}

}  // namespace sluice::engine
