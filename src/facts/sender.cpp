// Facts about the sender of the envelope (RFC 5321 reverse-path): syntax, and whether its domain
// can receive mail.
#include <algorithm>

#include "base/text.h"
#include "facts/deliverable.h"
#include "facts/dns_questions.h"
#include "facts/make_fact.h"
#include "facts/path_facts.h"
#include "mail/address.h"
#include "mail/domain.h"

namespace sluice::facts {

using policy::Kind;
using policy::Value;

namespace {

const ParsedPath& parsed(FactContext& c) {
  return parse_for_facts(c.envelope()->sender_path, wants_utf8(*c.envelope()), PathOf::Sender);
}

// A DNS question about the sender's domain; false for the null sender and for what is no domain.
template <Outcome (*Ask)(FactContext&, std::string_view)>
Outcome about_domain(FactContext& c) {
  const ParsedPath& path = parsed(c);
  const auto domain = mail::to_ascii_domain(path.domain);
  if (path.is_null || path.is_literal || !domain)
    return Value(path.is_literal && Ask == &receives_mail);
  return Ask(c, *domain);
}

}  // namespace

std::vector<Fact> sender_facts() {
  return make_facts(
      mail::Stage::Mail, mail::Scope::Transaction,
      {
          {"sender.address", optional(Kind::Address),
           "Address of the envelope sender; none for the null sender.",
           [](FactContext& c) -> Outcome { return text_or_none(parsed(c).address); }},
          {"sender.localpart", optional(Kind::Text), "Its local part.",
           [](FactContext& c) -> Outcome { return text_or_none(parsed(c).local_part); }},
          {"sender.domain", optional(Kind::Domain), "Its domain, as lower-case A-labels.",
           [](FactContext& c) -> Outcome { return text_or_none(parsed(c).domain); }},
          {"sender.is_null", plain(Kind::Bool), "The null sender <> of bounces.",
           [](FactContext& c) -> Outcome { return Value(parsed(c).is_null); }},
          {"sender.valid", plain(Kind::Bool),
           "Syntax by RFC 5321 (RFC 6531 with SMTPUTF8); the null sender is valid.",
           [](FactContext& c) -> Outcome { return Value(parsed(c).error.empty()); }},
          {"sender.error", optional(Kind::Text), "Why the syntax is not valid, for a reply text.",
           [](FactContext& c) -> Outcome { return text_or_none(parsed(c).error); }},
          {"sender.resolves", plain(Kind::Bool),
           "Mail can be sent to its domain: an MX that is not null, else an A or AAAA record.",
           about_domain<&receives_mail>, "1 to 3 DNS look-ups"},
          {"sender.null_mx", plain(Kind::Bool),
           "Its domain says by a null MX (RFC 7505) that it takes no mail.",
           about_domain<&has_null_mx>, "1 DNS look-up"},
          {"sender.bogus_mx", plain(Kind::Bool),
           "All its MX hosts have loopback, private or reserved addresses.",
           about_domain<&has_bogus_mx>, "1 DNS look-up and 2 per MX host"},
          {"sender.deliverable", deliverable_type(),
           "What the sender's own mail server says of the address (callout); unknown for the null "
           "sender.",
           [](FactContext& c) -> Outcome { return deliverable(c, parsed(c)); }, "an SMTP session"},
      });
}

}  // namespace sluice::facts
