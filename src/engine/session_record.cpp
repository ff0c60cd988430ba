// What is told of an event: the verdict with its reply, and the record.
#include <algorithm>

#include "base/text.h"
#include "engine/edits.h"
#include "engine/session_state.h"
#include "facts/authentication_results.h"
#include "facts/path_facts.h"

namespace sluice::engine {

using mail::Action;
using mail::Stage;
using policy::Rule;
using policy::RuleId;

namespace {

constexpr std::size_t kMaxToldRecipients = 10;  // of a whole message, in one log line

// A reply that cannot be built would be a rule that the loader should have refused; the client then
// gets the plain code.
mail::Reply reply_of(const Found& answer, std::string_view text, std::string_view help, bool utf8) {
  if (auto reply = mail::Reply::make(answer.code, answer.status, text, help, utf8)) return *reply;
  const bool permanent = answer.action == Action::Reject;
  return *mail::Reply::make(
      permanent ? 550 : 451,
      permanent ? mail::EnhancedStatus{5, 7, 1} : mail::EnhancedStatus{4, 3, 0},
      "Local error in processing");
}

std::string recipients_told(const std::vector<mail::Recipient>& recipients) {
  std::string text;
  for (std::size_t i = 0; i < recipients.size() && i < kMaxToldRecipients; ++i)
    text += (i == 0 ? "" : ",") + recipients[i].path;
  if (recipients.size() > kMaxToldRecipients)
    text += ",+" + std::to_string(recipients.size() - kMaxToldRecipients);
  return text;
}

}  // namespace

const Rule* Session::State::answering_rule() const {
  if (out->answer) return out->answer.instead_of_rule.empty() ? &program->rule(out->answer.rule) : nullptr;
  return nullptr;
}

// Forged fields first and from the highest number down: taking one out renumbers those behind it on
// Postfix, as a field on top does with all.
std::vector<mail::Edit> Session::State::edits() const {
  using Kind = mail::Edit::Kind;
  const std::string name(facts::kResultsField);
  std::vector<mail::Edit> edits;
  if (adds_results()) {
    for (auto claim = transaction->claims.rbegin(); claim != transaction->claims.rend(); ++claim)
      edits.push_back({Kind::RemoveHeader, name, {}, *claim});
  }
  for (mail::Edit& edit : edits_of(transaction->actions, *known.message, known.accepted))
    edits.push_back(std::move(edit));
  if (out->results) edits.push_back({Kind::InsertHeader, name, *out->results, 0});
  return edits;
}

mail::Verdict Session::State::verdict() {
  mail::Verdict verdict;
  verdict.action = out->answer ? out->answer.action : Action::Continue;
  if (out->answer && out->answer.code != 0) {
    std::string text = out->reply_text;
    if (services.reply_id) text += (text.empty() ? "(id " : " (id ") + id + ")";
    verdict.reply =
        reply_of(out->answer, text, out->reply_help, known.envelope && facts::wants_utf8(*known.envelope));
  }
  const bool is_kept = verdict.action == Action::Continue || verdict.action == Action::Quarantine;
  if (stage == Stage::End && is_kept && known.message)
    verdict.edits = edits();
  if (verdict.action == Action::Quarantine)
    verdict.edits.push_back(
        {mail::Edit::Kind::Quarantine,
         out->answer.plain_text.empty() ? program->rule(out->answer.rule).name : out->answer.plain_text,
         {},
         0});
  const Duration delay = std::min(out->delay, services.resources.delay);
  if (delay > Duration{0} && ledger.may_delay(delay, now(), services.resources.delayed_sessions))
    verdict.delay = delay;
  return verdict;
}

void Session::State::record(const mail::Verdict& verdict, DecisionRecord& record) {
  record.at = started;
  record.id = id;
  record.stage = record.rule_stage = stage;
  record.verdict = verdict;
  if (const Rule* rule = answering_rule()) {
    record.rule = rule->name;
    record.rev = rule->rev;
    record.rule_stage = rule->stage;
  } else if (out->answer) {
    record.rule = std::string(out->answer.instead_of_rule);
  }
  record.policy = program->label();
  record.weak = out->answer.strength == Found::Strength::Weak;
  tell_figures(record);
  tell_exemptions(record);
  record.unknown = out->unknown;
  std::sort(record.unknown.begin(), record.unknown.end());
  record.unknown.erase(std::unique(record.unknown.begin(), record.unknown.end()),
                       record.unknown.end());
  tell_would(record);
  for (const Mark& mark : stage == Stage::End ? transaction->marks : out->marks)
    record.marks.push_back(program->rule(mark.rule).name);
  for (const PreparedAction& action : out->actions) {
    if (action.kind == policy::ActionSource::Kind::Log) record.log.push_back(action.text);
  }
  if (services.trace) {
    record.trace = out->trace;
  } else if (services.trace_answers && (out->answer || !record.would.empty()) &&
             ledger.may_trace(started, services.resources.traces_per_second)) {
    record.trace = trace_answer();
  }
  if (services.sink == nullptr || services.sink->reads_texts(record)) tell_texts(record);
}

void Session::State::tell_texts(DecisionRecord& record) const {
  record.sid = sid;
  if (known.connection.client_ip) record.client = known.connection.client_ip->to_string();
  record.ptr = known.connection.client_ptr.value_or(known.connection.client_name);
  record.helo = known.helo.value_or("");
  if (known.envelope) {
    record.qid = known.envelope->queue_id;
    record.from = known.envelope->sender_path;
    if (known.envelope->login) record.auth = known.envelope->login->user;
  }
  record.to = known.trying ? known.trying->path : recipients_told(known.accepted);
}

void Session::State::tell_figures(DecisionRecord& record) const {
  if (known.message && stage >= Stage::Headers)
    record.size =
        static_cast<std::int64_t>(known.message->headers_bytes + known.message->body_bytes);
  record.score = facts.score();
  record.duration_us = std::chrono::duration_cast<std::chrono::microseconds>(
                           std::chrono::steady_clock::now() - started_steady)
                           .count();
  record.store_us = requests.waited_us();
  record.dns_us = facts.questions().waited_us();
  record.degraded = requests.was_away();
}

void Session::State::tell_exemptions(DecisionRecord& record) const {
  for (const auto& [rule, exemption] : out->skipped)
    record.exempt.push_back(program->rule(rule).name + " by " + program->rule(exemption).name);
}

// Where an answer of a shadow rule would have been seen.
bool Session::State::is_told_now(RuleId id_of_rule, const Would& would) const {
  const Rule& rule = program->rule(id_of_rule);
  if (rule.stage != Stage::Connect && rule.stage != Stage::Helo && rule.stage != Stage::Mail)
    return true;
  const bool is_decision = rule.decision && rule.decision->code == would.code;
  if (is_decision && rule.decision->action == Action::Disconnect) return stage == rule.stage;
  const bool is_weak = !is_decision || rule.kind == policy::RuleKind::Greylist;
  return stage == (is_weak || rule.reply_at_rcpt ? Stage::Rcpt : Stage::Mail);
}

void Session::State::tell_would(DecisionRecord& record) const {
  const auto tell = [&](const StageOutcome& outcome) {
    for (const auto& [rule, would] : outcome.would) {
      if (is_told_now(rule, would)) record.would.push_back(would);
    }
  };
  if (stage == Stage::Mail) {
    for (const StageEvent* event : {connect_event.get(), helo_event.get()}) {
      if (event != nullptr && event->outcome) tell(*event->outcome);
    }
  }
  tell(*out);
}

}  // namespace sluice::engine
