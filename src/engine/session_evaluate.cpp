// One pass over the rules of an event, up to the text of the answer. Nothing here changes what a
// session remembers.
#include <algorithm>

#include "engine/decision_id.h"
#include "engine/session_state.h"
#include "facts/authentication_results.h"
#include "mail/reply_code.h"

namespace sluice::engine {

using mail::Stage;
using policy::RuleId;

namespace {

constexpr mail::EnhancedStatus kTooManyRecipients{4, 5, 3};

// 452 4.5.3, which no rule has said: the recipient cap, and the split of profiles.
Found try_again_apart(std::string_view instead_of_rule, std::string_view text) {
  Found found;
  found.strength = Found::Strength::Strong;
  found.instead_of_rule = instead_of_rule;
  found.action = mail::Action::Defer;
  found.code = 452;
  found.status = kTooManyRecipients;
  found.plain_text = std::string(text);
  return found;
}

bool is_content(const policy::Rule& rule) { return rule.stage >= Stage::Data; }

// A held verdict that is answered at RCPT; what is not is answered at MAIL (`reply_at: stage`), or
// at once (disconnect).
bool waits_for_rcpt(const policy::Program& program, const Found& found) {
  return found.strength == Found::Strength::Strong && program.rule(found.rule).reply_at_rcpt;
}

void append(StageOutcome& to, const StageOutcome& held) {
  to.would.insert(to.would.end(), held.would.begin(), held.would.end());
  to.greylists.insert(to.greylists.end(), held.greylists.begin(), held.greylists.end());
  to.marks.insert(to.marks.end(), held.marks.begin(), held.marks.end());
  to.trace.insert(to.trace.end(), held.trace.begin(), held.trace.end());
  if (!to.weak) to.weak = held.weak;
  to.strong = held.strong;
}

}  // namespace

void Session::State::evaluate() {
  if (stage == Stage::Rcpt) {
    if (is_over_cap) {
      out->answer =
          try_again_apart("resources", "Too many recipients, send the rest in another message");
    } else {
      evaluate_recipient(*here);
    }
  } else if (stage != Stage::Mail || !refusal_of_session()) {
    evaluate_stage(*here);
  }
  if (!out->is_pending) choose_answer();
  if (!out->is_pending) compose();
  if (!out->is_pending) compose_results();
}

void Session::State::evaluate_stage(StageEvent& event) {
  Walk walk({services, *program, facts, requests, known, scopes, ledger, transaction->limits}, *out);
  const bool exempted = walk.exempt(event);
  const bool scored = walk.score(event);
  walk.decide(event, Walk::As::Own, !exempted || !scored);
}

void Session::State::evaluate_recipient(StageEvent& event) {
  Walk walk({services, *program, facts, requests, known, scopes, ledger, transaction->limits}, *out);
  const bool exempted = walk.exempt(event);
  const bool scored = walk.score(event);
  const bool only_ask = !exempted || !scored;
  const bool refused = known.trying->refused_by_mta;
  if (!refused) decide_held(walk, only_ask);
  if (!out->strong) walk.decide(event, refused ? Walk::As::RefusedByMta : Walk::As::Own, only_ask);
  if (out->is_pending) return;
  const bool is_failure = refused || (out->strong && out->strong.code / 100 == 5);
  walk.judge_failures(event, is_failure, refused);
  if (out->is_pending || refused || out->strong) return;
  note_content_exemptions();
  if (program->recipients()) choose_profile();
}

// Ruling 1: the rules of connect, helo and mail once more, over the frozen facts of their own
// stage, when an exemption has come since that reaches one of them; else what they came to then.
void Session::State::decide_held(Walk& walk, bool only_ask) {
  for (StageEvent* event : {connect_event.get(), helo_event.get(), mail_event.get()}) {
    if (event == nullptr) continue;
    if (only_ask || walk.is_touched(event->facts.stage)) {
      walk.decide(*event, Walk::As::Again, only_ask);
    } else if (event->outcome) {
      append(*out, *event->outcome);
    }
    if (out->strong) return;
  }
}

// --- profiles (LANGUAGE 6, ruling 9) ---

void Session::State::note_content_exemptions() {
  auto& exempt = known.trying_state->content_exempt;
  exempt.clear();
  for (const RuleId exemption : out->exemptions) {
    if (program->rule(exemption).exempt_scope != mail::Scope::Recipient) continue;
    for (const RuleId reached : program->rule(exemption).exempts) {
      if (is_content(program->rule(reached))) exempt.push_back(reached);
    }
  }
  std::sort(exempt.begin(), exempt.end());
  exempt.erase(std::unique(exempt.begin(), exempt.end()), exempt.end());
}

void Session::State::choose_profile() {
  facts.enter(here->facts);
  const std::optional<policy::Value> profile =
      program->evaluate(program->recipients()->profile, facts);
  if (!profile) {
    out->is_pending = true;
    return;
  }
  const auto* text = profile->get_if<std::string>();
  known.trying_state->profile = text != nullptr ? *text : std::string();
}

bool Session::State::needs_own_message() const {
  if (!program->recipients() || !program->recipients()->split_unauthenticated) return false;
  if (known.accepted_states.empty() || (known.envelope && known.envelope->login)) return false;
  const RecipientState& first = known.accepted_states.front();
  const RecipientState& other = *known.trying_state;
  return first.profile != other.profile || first.content_exempt != other.content_exempt;
}

void Session::State::choose_message_profile() {
  scopes.all_recipients.clear();
  if (known.accepted_states.empty()) return;
  std::vector<RuleId> all = known.accepted_states.front().content_exempt;
  for (const RecipientState& state : known.accepted_states) {
    std::erase_if(all, [&](RuleId reached) {
      return !std::binary_search(state.content_exempt.begin(), state.content_exempt.end(), reached);
    });
  }
  scopes.all_recipients = std::move(all);
  if (!program->recipients()) return;
  const policy::RecipientsSpec& spec = *program->recipients();
  known.profile = known.accepted_states.front().profile;
  if (spec.mixed == policy::Mixed::First || spec.order.empty()) return;
  const auto place = [&spec](const std::string& profile) {
    return std::find(spec.order.begin(), spec.order.end(), profile) - spec.order.begin();
  };
  for (const RecipientState& state : known.accepted_states) {
    const bool stricter = place(state.profile) < place(*known.profile);
    const bool laxer = place(state.profile) > place(*known.profile);
    if (spec.mixed == policy::Mixed::Strictest ? stricter : laxer) known.profile = state.profile;
  }
}

// --- the answer ---

// A verdict of connect or helo that is not held for RCPT: the MTA answers greeting and HELO itself,
// so it is said at MAIL, and again at each further MAIL of the session.
Found Session::State::refusal_of_session() const {
  for (const StageEvent* event : {connect_event.get(), helo_event.get()}) {
    if (event == nullptr || !event->outcome || !event->outcome->strong) continue;
    if (!waits_for_rcpt(*program, event->outcome->strong)) return event->outcome->strong;
  }
  return {};
}

Found Session::State::marked() const {
  if (transaction->marks.empty()) return {};
  const Mark& mark = transaction->marks.front();
  Found found;
  found.strength = Found::Strength::Strong;
  found.rule = mark.rule;
  found.action = mark.action;
  found.plain_text = mark.reason;
  return found;
}

void Session::State::choose_answer() {
  const Found& strong = out->strong;
  switch (stage) {
    case Stage::Connect:
    case Stage::Helo:
      if (strong.action == mail::Action::Disconnect && strong) out->answer = strong;
      return;
    case Stage::Mail:
      out->answer = refusal_of_session();
      if (!out->answer && strong &&
          (strong.action == mail::Action::Disconnect || !waits_for_rcpt(*program, strong)))
        out->answer = strong;
      return;
    case Stage::Rcpt:
      if (out->answer || known.trying->refused_by_mta) return;
      out->answer = strong ? strong : out->weak;
      if (!out->answer && needs_own_message())
        out->answer = try_again_apart("recipients",
                                 "This recipient needs a message of its own, send it again");
      return;
    case Stage::Command:
      out->answer = strong ? strong : out->weak;
      return;
    case Stage::Data:
      out->answer = strong ? strong : transaction->at_data ? *transaction->at_data : out->weak;
      return;
    case Stage::Headers:
      out->answer = strong;
      return;
    case Stage::End: {
      out->answer = strong;
      const bool refused = out->answer && out->answer.action != mail::Action::Quarantine &&
                           out->answer.action != mail::Action::Discard;
      if (!refused && !transaction->marks.empty()) out->answer = marked();
      if (!out->answer && headers_event && headers_event->outcome) out->answer = headers_event->outcome->weak;
      if (!out->answer) out->answer = out->weak;
      return;
    }
  }
}

std::optional<std::string> Session::State::render(policy::TemplateId text, const Found& found) {
  if (text == policy::kNoTemplate) return std::string();
  StageEvent& event = found.event != nullptr ? *found.event : *here;
  Words words = found.words;
  words.emplace_back("rule", found.instead_of_rule.empty() ? program->rule(found.rule).name
                                                           : std::string(found.instead_of_rule));
  words.emplace_back("id", id);
  facts.enter(event.facts);
  facts.set_words(&words);
  std::optional<std::string> rendered = program->render(text, facts);
  facts.set_words(nullptr);
  if (!rendered) out->is_pending = true;
  return rendered;
}

// The texts of the answer. A template may name a fact that nobody has asked for yet: then the event
// goes on waiting.
void Session::State::compose() {
  if (stage == Stage::Rcpt && !out->answer && out->at_data) {
    // Answered at DATA, when the recipient's facts are gone.
    Found& later = out->at_data;
    if (later.text != policy::kNoTemplate) {
      std::optional<std::string> text = render(later.text, later);
      if (!text) return;
      later.plain_text = std::move(*text);
      later.text = policy::kNoTemplate;
    }
    later.event = mail_event.get();
  }
  if (!out->answer || out->answer.code == 0) return;
  if (id.empty()) id = draw_short_id();
  std::optional<std::string> text = render(out->answer.text, out->answer);
  std::optional<std::string> help = render(out->answer.help, out->answer);
  if (!text || !help) return;
  out->reply_text = out->answer.text != policy::kNoTemplate ? std::move(*text) : out->answer.plain_text;
  out->reply_help = std::move(*help);
}

// Whose mail is stamped: not what our own users send, nor what a relay of ours has judged at the edge.
bool Session::State::adds_results() const {
  const facts::FactSettings& settings = services.settings;
  if (settings.authserv_id.empty() || !known.message || !known.envelope) return false;
  const auto& client = known.connection.client_ip;
  const auto& relays = settings.trusted_relays;
  const bool from_relay = client && std::any_of(relays.begin(), relays.end(), [&](const auto& net) {
    return net.contains(*client);
  });
  return !from_relay;
}

void Session::State::compose_results() {
  out->results.reset();
  const bool is_kept = !out->answer || out->answer.action == mail::Action::Quarantine;
  if (stage != Stage::End || !is_kept || !adds_results() || known.envelope->login) return;
  facts.enter(here->facts);
  out->results = facts::authentication_results(facts);
  out->is_pending = !out->results;
}

}  // namespace sluice::engine
