// The verdicts that rules, unknown facts and an absent store come to, before their text.
#include "engine/walk.h"
#include "mail/reply_code.h"

namespace sluice::engine {

using policy::Rule;
using policy::RuleId;
using policy::RuleKind;

namespace {

std::string word(const Words& words, std::string_view name) {
  for (const auto& [key, text] : words) {
    if (key == name) return text;
  }
  return "-";
}

// Ruling 12: what a rule without `text:` says.
std::string default_text(const Rule& rule, const Words& words) {
  if (rule.kind == RuleKind::Limit && !words.empty())
    return "Limit of " + word(words, "limit.max") + " reached, try again in " +
           word(words, "limit.wait");
  if (rule.kind == RuleKind::Greylist && !words.empty())
    return "Greylisted, try again in " + word(words, "greylist.wait");
  return std::string(rule.decision->default_text);
}

// A weak 4yz whose text is the catalogue's, never the rule's own accusation (ruling 11).
Found weak_found(const Rule& rule, RuleId id, StageEvent& event, int code,
                 mail::EnhancedStatus status, bool status_written) {
  if (rule.reply_codes == policy::ReplyCodes::Rfc) {
    const mail::ReplyCode* entry = mail::find_reply_code(code);
    if (entry != nullptr && entry->rfc_code != 0 && entry->rfc_code != code) {
      code = entry->rfc_code;
      if (!status_written) status = entry->rfc_enhanced;
    }
  }
  Found found;
  found.strength = Found::Strength::Weak;
  found.rule = id;
  found.event = &event;
  found.action = mail::Action::Defer;
  found.code = code;
  found.status = status;
  found.help = rule.help;
  found.plain_text = std::string(mail::status_text(status));
  if (found.plain_text.empty()) {
    if (const mail::ReplyCode* entry = mail::find_reply_code(code))
      found.plain_text = std::string(entry->text);
  }
  return found;
}

constexpr mail::EnhancedStatus kDnsFailed{4, 4, 3};
constexpr mail::EnhancedStatus kLocalError{4, 3, 0};

}  // namespace

Found decision_found(const Rule& rule, RuleId id, StageEvent& event, Words words) {
  const policy::Decision& decision = *rule.decision;
  Found found;
  found.strength =
      rule.kind == RuleKind::Greylist ? Found::Strength::Weak : Found::Strength::Strong;
  found.rule = id;
  found.event = &event;
  found.action = decision.action;
  const bool replies =
      decision.action != mail::Action::Quarantine && decision.action != mail::Action::Discard;
  found.code = replies ? decision.code : 0;
  found.status = decision.status;
  found.text = rule.text;
  found.help = rule.help;
  found.reason = decision.reason;
  if (rule.text == policy::kNoTemplate) found.plain_text = default_text(rule, words);
  found.words = std::move(words);
  return found;
}

Found unknown_found(const Rule& rule, RuleId id, StageEvent& event, policy::UnknownReason reason) {
  const policy::OnUnknown& wanted = rule.on_unknown;
  const mail::EnhancedStatus usual = policy::is_dns_reason(reason) ? kDnsFailed : kLocalError;
  const int code = wanted.code.value_or(451);
  if (wanted.status) return weak_found(rule, id, event, code, *wanted.status, true);
  const mail::ReplyCode* entry = mail::find_reply_code(code);
  const bool own = code != 451 && entry != nullptr;
  return weak_found(rule, id, event, code, own ? entry->enhanced : usual, false);
}

Found store_away_found(const Rule& rule, RuleId id, StageEvent& event) {
  return weak_found(rule, id, event, 451, kLocalError, false);
}

}  // namespace sluice::engine
