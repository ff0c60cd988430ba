// What the site's scanners say of the message (stage end). A scanner that is away makes its facts
// unknown, never clean.
#include "facts/make_fact.h"

namespace sluice::facts {

using policy::Kind;
using policy::Value;

namespace {

Value away() { return Value(policy::Unknown{policy::UnknownReason::Scanner}); }

template <Value (*Found)(const backends::SpamAnswer&)>
Outcome spam(FactContext& c) {
  const backends::SpamAnswer* answer = c.spam();
  if (answer == nullptr) return std::nullopt;
  return answer->available ? Found(*answer) : away();
}

Value score(const backends::SpamAnswer& a) { return Value(a.score); }
Value action(const backends::SpamAnswer& a) { return text_or_none(a.action); }
Value symbols(const backends::SpamAnswer& a) {
  policy::Values list;
  for (const std::string& symbol : a.symbols) list.emplace_back(symbol);
  return Value::list(std::move(list));
}

Outcome virus_found(FactContext& c) {
  const backends::VirusAnswer* answer = c.virus();
  if (answer == nullptr) return std::nullopt;
  return answer->available ? Value(answer->name.has_value()) : away();
}
Outcome virus_name(FactContext& c) {
  const backends::VirusAnswer* answer = c.virus();
  if (answer == nullptr) return std::nullopt;
  return answer->available ? Value(answer->name) : away();
}

}  // namespace

std::vector<Fact> scanners_facts() {
  return without_kept_body(
      make_facts(mail::Stage::End, mail::Scope::Transaction,
                 {
                     {"spam.score", plain(Kind::Float),
                      "Points of the spam scanner, or with `engine: own` of the score rules.",
                      spam<score>, "the spam scanner"},
                     {"spam.action", optional(Kind::Text), "What rspamd advises.", spam<action>,
                      "the spam scanner"},
                     {"spam.symbols", policy::Type::list_of(Kind::Text),
                      "Names of the scanner's rules that hit, or of the score rules.",
                      spam<symbols>, "the spam scanner"},
                     {"virus.found", plain(Kind::Bool), "The virus scanner found something.",
                      virus_found, "the virus scanner"},
                     {"virus.name", optional(Kind::Text), "Name of what it found.", virus_name,
                      "the virus scanner"},
                 }));
}

}  // namespace sluice::facts
