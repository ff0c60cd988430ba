// dkim.* - the signatures of the message (RFC 6376, 8301, 8463), dmarc.* - what they and SPF are
// worth to the domain of From (RFC 9989), arc.* - what forwarders have sealed (RFC 8617).
//
// Cost: a look-up for each key, up to 8 for the DMARC record, and up to 8 for each domain below
// that of From that signed. On a DNS failure: unknown; temperror is no value.
#include <algorithm>

#include "base/text.h"
#include "facts/dmarc_check.h"
#include "facts/make_fact.h"
#include "facts/message_content.h"
#include "facts/message_signatures.h"
#include "facts/tag_list.h"
#include "mail/address.h"

namespace sluice::facts {

using policy::Kind;
using policy::Value;

namespace {

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

// --- DKIM ---

using Outcomes = std::vector<SignatureOutcome>;

Value unsupported() { return Value(policy::Unknown{policy::UnknownReason::Unsupported}); }

// Why not all signatures could be judged; nullptr: they were.
const SignatureOutcome* undecided(const Outcomes& outcomes) {
  const auto at = std::find_if(outcomes.begin(), outcomes.end(), [](const auto& one) {
    return one.result == SignatureResult::TempError;
  });
  return at != outcomes.end() ? &*at : nullptr;
}

// A pass is the best there is, whatever the rest would have been.
Value best(const Outcomes& outcomes) {
  if (outcomes.empty()) return Value("none");
  const auto at =
      std::min_element(outcomes.begin(), outcomes.end(),
                       [](const auto& a, const auto& b) { return a.result < b.result; });
  const SignatureOutcome* open = undecided(outcomes);
  if (at->result != SignatureResult::Pass && open != nullptr)
    return Value(unknown_of(open->failure));
  return Value(signature_result_name(at->result));
}

Value passing_domains(const Outcomes& outcomes) {
  if (const SignatureOutcome* open = undecided(outcomes)) return Value(unknown_of(open->failure));
  policy::Values domains;
  for (const SignatureOutcome& one : outcomes) {
    Value domain(one.domain);
    const bool is_new = std::find(domains.begin(), domains.end(), domain) == domains.end();
    if (one.result == SignatureResult::Pass && is_new) domains.push_back(std::move(domain));
  }
  return Value::list(std::move(domains));
}

template <Value (*Found)(const Outcomes&)>
Outcome of_signatures(FactContext& c) {
  if (c.message() == nullptr) return Found(Outcomes());
  if (c.signatures() == nullptr) return unsupported();
  ContextAnswers answers(c);
  const auto outcomes = c.signatures()->dkim(answers, c.now());
  return outcomes ? Outcome(Found(*outcomes)) : std::nullopt;
}

// --- DMARC ---

enum class Author : std::uint8_t { Known, Unclear, WithoutDomain };

// The domain of From, when there is one beyond doubt: one field, all its mailboxes in one domain. A
// reader may be shown any of several; none of them is guessed.
Author author_domain(FactContext& c, std::string& domain) {
  const mail::Message& message = *c.message();
  const MessageContent* content = c.content();
  const auto fields = std::count_if(
      message.headers.begin(), message.headers.end(),
      [](const mail::Header& h) { return equal_folded(trim_folding(h.name), "From"); });
  if (content == nullptr || fields != 1 || content->from().empty() ||
      message.headers_total > message.headers.size())
    return Author::Unclear;
  for (const Mailbox& mailbox : content->from()) {
    const std::string_view other = mail::split_at_last_at(mailbox.address).domain;
    if (other.empty() || (!domain.empty() && domain != other)) return Author::Unclear;
    domain = other;
  }
  return domain.front() == '[' ? Author::WithoutDomain : Author::Known;
}

// False: pending. SPF counts for the domain it was asked of: MAIL FROM, or HELO for the null
// sender.
bool add_spf(FactContext& c, DmarcRequest& request) {
  const Value* result = c.fact("spf.result");
  const Value* domain = c.fact("spf.domain");
  if (result == nullptr || domain == nullptr) return false;
  if (!domain->is_set()) return true;
  const std::string& name = domain->get<std::string>();
  if (result->is_unknown()) request.spf_undecided.push_back(name);
  if (*result == Value("pass")) request.spf.push_back(name);
  return true;
}

bool add_dkim(FactContext& c, DmarcRequest& request) {
  const Value* domains = c.fact("dkim.domains");
  if (domains == nullptr) return false;
  if (!domains->is_unknown()) {
    for (const Value& domain : *domains->get<policy::ValuesPtr>())
      request.dkim.push_back(domain.get<std::string>());
    return true;
  }
  ContextAnswers answers(c);
  const auto outcomes = c.signatures() != nullptr ? c.signatures()->dkim(answers, c.now())
                                                  : std::optional(Outcomes());
  if (!outcomes) return false;
  for (const SignatureOutcome& one : *outcomes) {
    if (one.result == SignatureResult::Pass) request.dkim.push_back(one.domain);
    if (one.result != SignatureResult::TempError) continue;
    request.dkim_undecided.push_back(one.domain);
    request.undecided = one.failure;
  }
  return true;
}

std::optional<DmarcVerdict> dmarc_verdict(FactContext& c) {
  if (c.message() == nullptr) return DmarcVerdict{};
  DmarcRequest request;
  const Author author = author_domain(c, request.author_domain);
  if (author == Author::WithoutDomain) return DmarcVerdict{};
  if (author == Author::Unclear) return DmarcVerdict{DmarcResult::PermError, {}, {}, {}};
  request.by = c.settings().organizational_domain;
  const bool has_spf = add_spf(c, request), has_dkim = add_dkim(c, request);
  ContextAnswers answers(c);
  auto verdict = check_dmarc(request, answers);  // asks for the record even if it must wait
  return has_spf && has_dkim ? verdict : std::nullopt;
}

Outcome dmarc_result(FactContext& c) {
  const auto verdict = dmarc_verdict(c);
  if (!verdict) return std::nullopt;
  if (verdict->result == DmarcResult::TempError) return Value(unknown_of(verdict->failure));
  return Value(dmarc_result_name(verdict->result));
}

Outcome dmarc_policy(FactContext& c) {
  const auto verdict = dmarc_verdict(c);
  if (!verdict) return std::nullopt;
  if (verdict->policy_failure) return Value(unknown_of(*verdict->policy_failure));
  return verdict->policy ? Value(dmarc_policy_name(*verdict->policy)) : Value();
}

// --- ARC ---

Value arc_result_of(const ArcOutcome& chain) {
  if (chain.result == ArcResult::TempError) return Value(unknown_of(chain.failure));
  if (chain.result == ArcResult::None) return Value("none");
  return Value(chain.result == ArcResult::Pass ? "pass" : "fail");
}

Value arc_sealer_of(const ArcOutcome& chain) {
  if (chain.result == ArcResult::TempError) return Value(unknown_of(chain.failure));
  return text_or_none(chain.sealer);
}

template <Value (*Found)(const ArcOutcome&)>
Outcome of_chain(FactContext& c) {
  if (c.message() == nullptr) return Found(ArcOutcome());
  if (c.signatures() == nullptr) return unsupported();
  ContextAnswers answers(c);
  const auto chain = c.signatures()->arc(answers, c.now());
  return chain ? Outcome(Found(*chain)) : std::nullopt;
}

}  // namespace

std::vector<Fact> authentication_facts() {
  constexpr const char* kKeys = "the body, 1 DNS look-up for each signature";
  constexpr const char* kRecords =
      "the body, DNS look-ups for SPF, for each signature and up to 8 for the record";
  return without_kept_body(make_facts(
      mail::Stage::End, mail::Scope::Transaction,
      {
          {"dkim.result", words(kDkim),
           "Best result over all signatures (RFC 6376); policy: it may verify but is not accepted "
           "(rsa-sha1, a key below 1024 bits, expired); unknown when the DNS fails.",
           of_signatures<best>, kKeys},
          {"dkim.domains", policy::Type::list_of(Kind::Domain),
           "Domains (d=) whose signature passed; unknown when the DNS failed for one of them.",
           of_signatures<passing_domains>, kKeys},
          {"dmarc.result", words(kDmarc),
           "DMARC of the From domain (RFC 9989); permerror: a broken record, or a From that names "
           "not exactly one domain; unknown when the DNS fails.",
           dmarc_result, kRecords},
          {"dmarc.policy", words(kDmarcPolicy, true),
           "What the domain asks for on a fail: p=, sp= or np=, one level lower with t=y; none "
           "(the state) without a record.",
           dmarc_policy, kRecords},
          {"arc.result", words(kArc), "The ARC chain (RFC 8617); unknown when the DNS fails.",
           of_chain<arc_result_of>, kKeys},
          {"arc.sealer", optional(Kind::Domain),
           "Domain of the newest seal of a chain that passes.", of_chain<arc_sealer_of>, kKeys},
      }));
}

}  // namespace sluice::facts
