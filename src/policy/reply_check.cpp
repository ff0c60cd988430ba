#include "policy/reply_check.h"

#include <algorithm>

namespace sluice::policy {
namespace {

struct Verb {
  ActionSource::Kind kind;
  mail::Action action;
  std::string_view name;
  int code_class;  // 0: no reply
};
constexpr Verb kVerbs[] = {
    {ActionSource::Kind::Reject, mail::Action::Reject, "reject", 5},
    {ActionSource::Kind::Defer, mail::Action::Defer, "defer", 4},
    {ActionSource::Kind::Disconnect, mail::Action::Disconnect, "disconnect", 4},
    {ActionSource::Kind::Quarantine, mail::Action::Quarantine, "quarantine", 0},
    {ActionSource::Kind::Discard, mail::Action::Discard, "discard", 0},
};

const Verb* find_verb(ActionSource::Kind kind) {
  const auto* found = std::find_if(std::begin(kVerbs), std::end(kVerbs),
                                   [kind](const Verb& v) { return v.kind == kind; });
  return found == std::end(kVerbs) ? nullptr : found;
}

const mail::ReplyCode* check_code(int code, const SourceSpan& span, Findings& findings) {
  const mail::ReplyCode* known = mail::find_reply_code(code);
  if (known && known->by_policy) return known;
  const std::string number = std::to_string(code);
  findings.error(
      "E402", span,
      known ? number + " is said by MTAs only, a policy cannot give it (`sluice codes` lists them)"
            : number + " is not a reply code of the table (`sluice codes` lists them)");
  return nullptr;
}

bool check_status(int code, const mail::EnhancedStatus& status, const SourceSpan& span,
                  Findings& findings) {
  if (status.status_class == code / 100) return true;
  findings.error("E404", span,
                 "enhanced code " + status.to_string() + " does not fit " + std::to_string(code) +
                     ": the MTA would discard the reply");
  return false;
}

bool check_class(const Verb& verb, int code, const SourceSpan& span, Findings& findings) {
  const bool disconnects = verb.kind == ActionSource::Kind::Disconnect;
  if (code / 100 == verb.code_class && (!disconnects || code == 421)) return true;
  const std::string needed = disconnects ? "421" : std::to_string(verb.code_class) + "xx";
  const std::string_view fitting = code / 100 == 5 ? "reject" : "defer";
  findings.error("E403", span,
                 std::string(verb.name) + " needs " + needed + "; for " + std::to_string(code) +
                     " write `" + std::string(fitting) + " " + std::to_string(code) + " ...`");
  return false;
}

// The catalogue's text for the status has more to say than the one for the code.
std::string_view text_of(const mail::ReplyCode& code, const mail::EnhancedStatus& status) {
  const std::string_view text = mail::status_text(status);
  return text.empty() || status == code.enhanced ? code.text : text;
}

}  // namespace

std::optional<Decision> check_decision(const ActionSource& action, ReplyCodes codes,
                                       Findings& findings) {
  const Verb* verb = find_verb(action.kind);
  if (!verb) return std::nullopt;
  Decision decision;
  decision.action = verb->action;
  if (verb->code_class == 0) {
    decision.code = 0;
    return decision;
  }
  const mail::ReplyCode* code = check_code(action.code, action.code_span, findings);
  if (!code || !check_class(*verb, action.code, action.code_span, findings)) return std::nullopt;
  decision.status_written = action.status.has_value();
  decision.status = action.status.value_or(code->enhanced);
  if (!check_status(action.code, decision.status, action.status_span, findings))
    return std::nullopt;
  decision.default_text = text_of(*code, decision.status);
  decision.code = action.code;
  const int registered = mail::rfc_reply_code(action.code, decision.status);
  if (codes == ReplyCodes::Rfc && registered != action.code) {
    decision.code = registered;
    if (!decision.status_written) decision.status = code->rfc_enhanced;
  }
  return decision;
}

bool check_on_unknown(const OnUnknown& written, Findings& findings) {
  if (!written.code) return true;
  const Verb& defer = *find_verb(ActionSource::Kind::Defer);
  return check_code(*written.code, written.span, findings) &&
         check_class(defer, *written.code, written.span, findings) &&
         (!written.status || check_status(*written.code, *written.status, written.span, findings));
}

}  // namespace sluice::policy
