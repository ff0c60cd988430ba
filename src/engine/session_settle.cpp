// What an event changes once it is decided: reservations, greylists, lists, scopes. All of it goes
// to the store before the session's next request, in order, and may be repeated without harm.
#include <algorithm>

#include "engine/decision_id.h"
#include "engine/greylister.h"
#include "engine/limiter.h"
#include "engine/session_state.h"
#include "engine/state_key.h"

namespace sluice::engine {

using mail::Action;
using mail::Stage;
using policy::CountOf;
using policy::Rule;
using policy::RuleId;

namespace {

constexpr std::size_t kUsualSettlement = 8;  // operations behind one message
constexpr Duration kFirstSeenKeep = std::chrono::hours{24 * 400};

bool is_held_stage(Stage stage) {
  return stage == Stage::Connect || stage == Stage::Helo || stage == Stage::Mail;
}

// An exemption may match at each message or recipient; it is in force once.
void add_once(std::vector<Scopes::Exemption>& in_force, RuleId exemption, Stage stage) {
  const bool known = std::any_of(in_force.begin(), in_force.end(), [exemption](const auto& other) {
    return other.rule == exemption;
  });
  if (!known) in_force.push_back({exemption, stage});
}

// What an idle session keeps has no room to spare.
template <class List>
void give_room_back(List& list) {
  if (list.empty()) List().swap(list);
}

bool is_accepted(const Found& answer) {
  return !answer || answer.action == Action::Quarantine || answer.action == Action::Discard;
}

}  // namespace

// --- one reservation ---

void Session::State::settle(const LimitUse& use, backends::StateOp op) {
  auto& ops = use.is_local ? to_local : to_store;
  if (ops.empty()) ops.reserve(kUsualSettlement);
  ops.push_back(std::move(op));
}

void Session::State::hold(LimitUse& use) {
  if (use.is_held || use.how == LimitUse::How::Peek) return;
  use.is_held = true;
  if (!use.is_local) ledger.hold(use.lease, use.asked.id, use.asked.key);
}

void Session::State::commit(LimitUse& use) {
  if (!use.is_held) return;
  use.is_held = false;
  use.was_committed = true;
  use.lease.drop();
  settle(use, commit_of(use));
}

void Session::State::release(LimitUse& use) {
  if (!use.is_held) return;
  use.is_held = false;
  use.lease.drop();
  settle(use, release_of(use));
}

void Session::State::release_all(LimitUses& uses) {
  for (const auto& use : uses) release(*use);
}

void Session::State::commit_last(std::span<LimitUses* const> lists) {
  thread_local std::vector<LimitUse*> last;
  thread_local std::vector<const backends::Reserve*> reserved;
  last.clear(), reserved.clear();
  for (const LimitUses* uses : lists) {
    for (const auto& use : *uses) {
      if (!use->is_held) continue;
      use->lease.drop();
      use->is_held = false;
      last.push_back(use.get());
      if (!use->is_local) reserved.push_back(&use->asked);
    }
  }
  const bool is_done = reserved.empty() || requests.commit_at_once(reserved);
  for (LimitUse* use : last) {
    if (use->is_local || !is_done) settle(*use, take_commit(*use));
  }
}

void Session::State::commit_all(LimitUses& uses) {
  for (const auto& use : uses) commit(*use);
}

void Session::State::send_settlement() {
  if (!to_store.empty()) requests.settle(std::exchange(to_store, {}));
  if (!to_local.empty() && services.local_store != nullptr)
    services.local_store->submit(std::exchange(to_local, {}),
                                 [](std::vector<backends::StateAnswer>) {});
  to_local.clear();
}

// --- one event ---

Progress Session::State::finish() {
  StageEvent& event = *here;
  transaction->waited += std::max(Duration{0}, now() - started);
  for (const PreparedAction& action : out->actions) carry_out(action);
  event.acted.insert(event.acted.end(), out->acted.begin(), out->acted.end());
  Progress told(std::in_place);
  told->verdict = verdict();
  record(told->verdict, told->record);
  settle_stage(event);
  send_settlement();
  if (services.sink != nullptr) services.sink->decided(told->record);
  out.reset();
  // What is answered later has been kept; an idle session holds nothing else.
  here.reset();
  if (transaction && !transaction->is_open && !known.message) transaction.reset();
  return told;
}

void Session::State::settle_stage(StageEvent& event) {
  for (const RuleId exemption : out->exemptions) {
    const mail::Scope scope = program->rule(exemption).exempt_scope;
    if (scope != mail::Scope::Recipient) {
      add_once(scope == mail::Scope::Connection ? scopes.connection : scopes.message, exemption,
               stage);
    }
  }
  if (stage == Stage::Connect || stage == Stage::Helo || stage == Stage::Command) {
    for (const Contribution& points : out->points)
      scopes.connection_points.push_back({points, stage});
  } else if (stage != Stage::Rcpt) {
    for (const Contribution& points : out->points) scopes.message_points.push_back({points, stage});
  }
  settle_limits(event);
  settle_connections(event);
  settle_greylists();
  if (stage == Stage::Rcpt) {
    is_accepted(out->answer) && !known.trying->refused_by_mta ? accept_recipient() : refuse_recipient();
  } else {
    keep(event);
  }
  if (stage >= Stage::Data) settle_message();
  if (stage == Stage::Mail && out->answer) end_transaction(false);
}

// True for a reservation that the store has granted and that nobody has settled.
bool Session::State::is_unsettled(const LimitUse& use) const {
  if (use.is_held || use.was_committed || use.how == LimitUse::How::Peek) return false;
  const backends::StateAnswer* answered = use.local ? &*use.local : use.answer();
  return answered != nullptr && answered->available &&
         (answered->granted || use.how == LimitUse::How::Observe);
}

// Gives back what was asked for behind the rule that answered; it is asked for anew when it is
// reached.
void Session::State::give_back(LimitUses& uses) {
  std::erase_if(uses, [this](const Recycled<LimitUse>& use) {
    if (!is_unsettled(*use)) return false;
    use->is_held = true;
    release(*use);
    return true;
  });
}

// Holds what was granted, commits attempts, gives back the rest.
void Session::State::settle_limits(StageEvent& event) {
  for (LimitUse* use : out->limits) {
    hold(*use);
    if (is_charged_at_once(*program->rule(use->rule).limit)) commit(*use);
  }
  give_back(event.limits);
  give_back(scopes.message_limits);
  give_back(scopes.connection_limits);
  if (stage != Stage::Rcpt) return;
  for (StageEvent* held : {connect_event.get(), helo_event.get(), mail_event.get()}) {
    if (held != nullptr) give_back(held->limits);
  }
  // What was refused under one key is asked again for the next recipient: room may have come by
  // then.
  std::erase_if(scopes.message_limits,
                [](const auto& use) { return !use->is_held && !use->was_committed; });
}

// The client is gone, or the transaction is, in the middle of an event.
void Session::State::abandon_event() {
  requests.collect();
  requests.give_up();
  if (!out) return;
  if (here) give_back(here->limits);
  give_back(scopes.message_limits);
  give_back(scopes.connection_limits);
  for (StageEvent* held : {connect_event.get(), helo_event.get(), mail_event.get()}) {
    if (held != nullptr) give_back(held->limits);
  }
  send_settlement();
  out.reset();
}

// A connection is accepted when its greeting (or the step at which it is counted) was not refused.
void Session::State::settle_connections(StageEvent&) {
  const bool refused = out->answer || (out->strong && !program->rule(out->strong.rule).reply_at_rcpt);
  for (LimitUse* use : out->limits) {
    if (program->rule(use->rule).limit->count != CountOf::Connections) continue;
    refused ? release(*use) : commit(*use);
  }
}

void Session::State::settle_greylists() {
  const bool is_weak = out->answer.strength == Found::Strength::Weak;
  const bool goes_on = !out->answer;
  auto uses = out->greylists;
  if (stage == Stage::Data && is_weak) {
    for (const auto& use : transaction->at_data_greylists) uses.push_back(use.get());
  }
  if (stage == Stage::End && is_weak && headers_event && headers_event->outcome) {
    const auto& earlier = headers_event->outcome->greylists;
    uses.insert(uses.end(), earlier.begin(), earlier.end());
  }
  // Greylists of these stages are answered later and by others: nothing is known to the sender yet.
  if (is_held_stage(stage) || stage == Stage::Headers) return;
  for (GreylistUse* use : uses) {
    const Rule& rule = program->rule(use->rule);
    if (!use->slot->answer || !asks_to_wait(*use->slot->answer) || use->is_recorded) continue;
    const bool waits_for_data = stage == Stage::Rcpt && rule.greylist->at_data &&
                                mail_is_from_nobody(*known.envelope) &&
                                !is_silent(rule, known.connection.client_ip);
    // A weak deferral tells the sender to wait. Without one a shadow greylist, or one that is
    // enforced for others only, fills its table with what would have waited.
    if (waits_for_data || !(is_weak || goes_on)) continue;
    use->is_recorded = true;
    to_store.emplace_back(record_of(*rule.greylist, *use));
  }
}

// What is held for the message from now on.
void Session::State::keep_limits(StageEvent& event) {
  for (auto& use : event.limits) {
    if (use->is_held) transaction->limits.push_back(std::move(use));
  }
  event.limits.clear();
}

// --- recipients ---

void Session::State::accept_recipient() {
  StageEvent& event = *here;
  for (LimitUse* use : out->limits) {
    if (program->rule(use->rule).limit->count == CountOf::Messages) ++use->accepted_by;
  }
  keep_limits(event);
  for (auto& use : event.greylists) {
    if (use->slot->answer && is_promoted(*use->slot->answer))
      transaction->promotions.push_back(promote_of(*program->rule(use->rule).greylist, *use));
  }
  if (out->at_data) {
    if (!transaction->at_data) transaction->at_data = out->at_data;
    for (auto& use : event.greylists) {
      if (!use->is_recorded) transaction->at_data_greylists.push_back(std::move(use));
    }
    event.greylists.clear();
  }
  transaction->seen.insert(transaction->seen.end(), out->seen.begin(), out->seen.end());
  for (const Mark& mark : out->marks) {
    const bool known_mark = std::any_of(transaction->marks.begin(), transaction->marks.end(),
                                        [&](const Mark& other) { return other.rule == mark.rule; });
    if (!known_mark) transaction->marks.push_back(mark);
  }
  for (const RuleId exemption : out->exemptions) {
    if (program->rule(exemption).exempt_scope == mail::Scope::Recipient)
      known.trying_state->exemptions.push_back(exemption);
  }
  known.accepted.push_back(*known.trying);
  known.accepted_states.push_back(std::move(*known.trying_state));
}

void Session::State::refuse_recipient() {
  StageEvent& event = *here;
  ++transaction->failed;
  release_all(event.limits);
  std::erase_if(scopes.message_limits, [this](const Recycled<LimitUse>& use) {
    if (use->accepted_by > 0 || !use->is_held) return false;
    release(*use);
    return true;
  });
  if (known.trying->refused_by_mta || out->answer.code / 100 == 5) charge_failures();
}

// Limits on failures that stand at connect, helo and mail are charged by every recipient that
// fails, except by those that the limit itself refuses.
void Session::State::charge_failures() {
  for (StageEvent* event : {connect_event.get(), helo_event.get(), mail_event.get()}) {
    if (event == nullptr) continue;
    for (const auto& use : event->limits) {
      if (program->rule(use->rule).limit->count != CountOf::Failures) continue;
      if (out->answer && out->answer.instead_of_rule.empty() && out->answer.rule == use->rule) continue;
      backends::Commit charge = commit_of(*use);
      charge.id = draw_reservation_id();
      charge.n = 1;
      settle(*use, std::move(charge));
    }
  }
}

// --- messages ---

// What was decided here and is answered or settled later.
void Session::State::keep(StageEvent& event) {
  const bool is_needed = out->strong || out->weak || !out->would.empty() || !out->marks.empty() ||
                         !out->greylists.empty() || !out->seen.empty() || !out->trace.empty();
  if (stage >= Stage::Data) {
    transaction->seen.insert(transaction->seen.end(), out->seen.begin(), out->seen.end());
    for (const Mark& mark : out->marks) transaction->marks.push_back(mark);
    for (const auto& use : event.greylists) {
      if (stage != Stage::Headers && use->slot->answer && is_promoted(*use->slot->answer))
        transaction->promotions.push_back(promote_of(*program->rule(use->rule).greylist, *use));
    }
  }
  if (stage == Stage::Data || stage == Stage::End) {
    keep_limits(event);
    return;
  }
  if (stage == Stage::Command) {
    release_all(event.limits);
    return;
  }
  const bool has_state =
      is_needed || !event.limits.empty() || !event.acted.empty() || program->uses_stage(stage);
  if (!has_state) return;
  if (is_needed) {
    event.outcome = std::make_unique<StageOutcome>(*out);
    event.outcome->actions.clear();
  }
  if ((stage == Stage::Connect || stage == Stage::Helo) && event.is_bare()) {
    (stage == Stage::Connect ? connect_at : helo_at) = event.facts.now;
    return;
  }
  give_room_back(event.limits);
  give_room_back(event.greylists);
  give_room_back(event.acted);
  Recycled<StageEvent>& place = stage == Stage::Connect ? connect_event
                                       : stage == Stage::Helo  ? helo_event
                                       : stage == Stage::Mail  ? mail_event
                                                               : headers_event;
  place = std::move(here);
}

void Session::State::settle_message() {
  if (!is_accepted(out->answer)) {
    // After a refused DATA the transaction is still open in the MTA, and so are its envelope and
    // recipients here.
    if (stage != Stage::Data) return end_transaction(false);
    if (mail_event) release_all(mail_event->limits);
    release_all(transaction->limits);
    release_all(scopes.message_limits);
    return;
  }
  if (stage != Stage::End) return;
  for (const auto& promotion : transaction->promotions) to_store.emplace_back(promotion);
  for (StageEvent* event :
       {connect_event.get(), helo_event.get(), mail_event.get(), headers_event.get()}) {
    if (event == nullptr) continue;
    for (const auto& use : event->greylists) {
      if (use->slot->answer && is_promoted(*use->slot->answer))
        to_store.emplace_back(promote_of(*program->rule(use->rule).greylist, *use));
    }
    if (!event->outcome) continue;
    for (const auto& seen : event->outcome->seen) to_store.emplace_back(seen);
  }
  for (const auto& seen : transaction->seen) to_store.emplace_back(seen);
  const auto& used = program->facts();
  const bool wants_first_seen = std::any_of(
      used.begin(), used.end(),
      [](const policy::UsedFact& fact) { return fact.signature.name == "client.first_seen"; });
  if (wants_first_seen && known.connection.client_ip)
    to_store.emplace_back(
        backends::SeenRecord{first_seen_key(*known.connection.client_ip), kFirstSeenKeep});
  if (connect_event) commit_all(connect_event->limits);
  if (helo_event) commit_all(helo_event->limits);
  end_transaction(true);
}

void Session::State::carry_out(const PreparedAction& action) {
  using Kind = policy::ActionSource::Kind;
  switch (action.kind) {
    case Kind::AddToList:
      to_store.emplace_back(action.list);
      break;
    case Kind::RemoveFromList:
      to_store.emplace_back(backends::ListRemove{action.list.list, action.list.value});
      break;
    case Kind::Log:
      break;  // told in the record
    default:
      // A recipient that is not in the message changes nothing in it.
      if (stage == Stage::Rcpt && (!is_accepted(out->answer) || known.trying->refused_by_mta)) break;
      transaction->actions.push_back(action);
      if (action.kind == Kind::DropRecipient && stage == Stage::Rcpt)
        transaction->actions.back().name = known.trying->path;
  }
}

}  // namespace sluice::engine
