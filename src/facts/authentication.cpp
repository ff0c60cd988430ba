// Results of DKIM (RFC 6376), DMARC (RFC 9989) and ARC (RFC 8617). Nothing verifies signatures in
// this version: outside of tests, which give these facts, they are unknown, so no rule that needs
// them acts.
#include "facts/make_fact.h"

namespace sluice::facts {

using policy::Kind;
using policy::Value;

namespace {

Outcome unsupported(FactContext&) {
  return Value(policy::Unknown{policy::UnknownReason::Unsupported});
}

const policy::EnumWords kDkim{"dkim.result",
                              {"none", "pass", "fail", "policy", "neutral", "permerror"}};
const policy::EnumWords kDmarc{"dmarc.result", {"none", "pass", "fail", "permerror"}};
const policy::EnumWords kDmarcPolicy{"dmarc.policy", {"none", "quarantine", "reject"}};
const policy::EnumWords kArc{"arc.result", {"none", "pass", "fail"}};

policy::Type words(const policy::EnumWords& list, bool is_optional = false) {
  policy::Type type = policy::Type::of(Kind::Enum, is_optional);
  type.words = &list;
  return type;
}

}  // namespace

std::vector<Fact> authentication_facts() {
  return make_facts(
      mail::Stage::End, mail::Scope::Transaction,
      {
          {"dkim.result", words(kDkim), "Best result over all signatures.", unsupported,
           "the body"},
          {"dkim.domains", policy::Type::list_of(Kind::Domain),
           "Domains (d=) whose signature passed.", unsupported, "the body"},
          {"dmarc.result", words(kDmarc), "DMARC of the From domain.", unsupported, "DNS look-ups"},
          {"dmarc.policy", words(kDmarcPolicy, true), "What the domain asks for.", unsupported,
           "DNS look-ups"},
          {"arc.result", words(kArc), "ARC chain.", unsupported, "the body"},
          {"arc.sealer", optional(Kind::Domain), "Domain of the newest seal.", unsupported,
           "the body"},
      });
}

}  // namespace sluice::facts
