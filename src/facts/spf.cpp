// spf.result, spf.domain, spf.explanation - SPF of the reverse-path, or of the HELO name when the
// path is null (RFC 7208 2.3, 2.4). received.spf - the same sender from the first hop outside our
// own relays. Cost: up to 10 terms with DNS look-ups (4.6.4), within the deadline of the answer. On
// a DNS failure: unknown; temperror is no value. permerror is one: we did find out that the record
// is broken.
#include "base/text.h"
#include "facts/make_fact.h"
#include "facts/path_facts.h"
#include "facts/spf_check.h"
#include "mail/domain.h"

namespace sluice::facts {

using policy::Kind;
using policy::Value;

namespace {

const policy::EnumWords kResults{"spf.result",
                                 {"none", "neutral", "pass", "fail", "softfail", "permerror"}};

policy::Type result_type() {
  policy::Type type = plain(Kind::Enum);
  type.words = &kResults;
  return type;
}

struct Identity {
  std::string local_part;
  std::string domain;  // empty: nothing to check
};

Identity identity_of(FactContext& c) {
  const ParsedPath& path =
      parse_for_facts(c.envelope()->sender_path, wants_utf8(*c.envelope()), PathOf::Sender);
  if (path.is_literal) return {};
  if (!path.is_null) return {path.local_part, path.domain};
  return {"postmaster", c.helo() != nullptr ? mail::to_ascii_domain(*c.helo()).value_or("") : ""};
}

std::optional<SpfVerdict> verdict_for(FactContext& c, const IpAddress& client, bool explain) {
  Identity identity = identity_of(c);
  if (identity.domain.empty()) return SpfVerdict{};
  const std::string& own_name = c.connection().server_name;
  ContextAnswers answers(c);
  return check_spf({.client = client,
                    .local_part = std::move(identity.local_part),
                    .domain = std::move(identity.domain),
                    .helo = c.helo() != nullptr ? *c.helo() : "unknown",
                    .receiver = own_name.empty() ? c.settings().server_name : own_name,
                    .now = c.now(),
                    .explain = explain},
                   answers);
}

Outcome result_for(FactContext& c, const IpAddress& client) {
  const std::optional<SpfVerdict> verdict = verdict_for(c, client, false);
  if (!verdict) return std::nullopt;
  if (verdict->result == SpfResult::TempError) return Value(unknown_of(verdict->failure));
  return Value(spf_result_name(verdict->result));
}

Outcome result(FactContext& c) {
  // A message handed in on a pipe has no client to judge.
  if (!c.connection().client_ip) return Value("none");
  return result_for(c, *c.connection().client_ip);
}

Outcome domain(FactContext& c) { return Value(mail::to_ascii_domain(identity_of(c).domain)); }

Outcome explanation(FactContext& c) {
  if (!c.connection().client_ip) return Value();
  const std::optional<SpfVerdict> verdict = verdict_for(c, *c.connection().client_ip, true);
  if (!verdict) return std::nullopt;
  if (verdict->result == SpfResult::TempError) return Value(unknown_of(verdict->failure));
  return text_or_none(verdict->explanation);
}

Outcome received_result(FactContext& c) {
  const Value* const hop = c.fact("received.external_ip");
  if (hop == nullptr) return std::nullopt;
  if (hop->is_unknown()) return *hop;
  if (hop->is_none()) return Value("none");
  return result_for(c, hop->get<IpAddress>());
}

}  // namespace

std::vector<Fact> spf_facts() {
  constexpr const char* kCost = "up to 10 terms with DNS look-ups";
  auto facts = make_facts(
      mail::Stage::Mail, mail::Scope::Transaction,
      {
          {"spf.result", result_type(),
           "SPF of the envelope sender, or of the HELO name for the null sender (RFC 7208); "
           "unknown when the DNS fails.",
           result, kCost},
          {"spf.domain", optional(Kind::Domain), "The domain whose SPF record counts.", domain},
          {"spf.explanation", optional(Kind::Text), "Why the domain's owner says fail (exp=).",
           explanation, "one DNS look-up more than spf.result"},
      });
  for (Fact& fact :
       make_facts(mail::Stage::Headers, mail::Scope::Transaction,
                  {{"received.spf", result_type(),
                    "SPF of the envelope sender at the first hop outside trusted_relays.",
                    received_result, kCost}})) {
    facts.push_back(std::move(fact));
  }
  return facts;
}

}  // namespace sluice::facts
