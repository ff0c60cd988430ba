// Facts about one recipient (stage rcpt), and about all accepted ones (from data on).
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
  static const ParsedPath nobody;
  if (c.recipient() == nullptr) return nobody;
  return parse_for_facts(c.recipient()->path, c.envelope() != nullptr && wants_utf8(*c.envelope()),
                         PathOf::Recipient);
}

template <Outcome (*Ask)(FactContext&, std::string_view)>
Outcome about_domain(FactContext& c) {
  const ParsedPath& path = parsed(c);
  const auto domain = mail::to_ascii_domain(path.domain);
  // A literal, or "postmaster" without a domain, is a matter of this host: nothing to look up.
  if (path.is_literal || path.domain.empty()) return Value(Ask == &receives_mail);
  if (!domain) return Value(false);
  return Ask(c, *domain);
}

Outcome group_of_mx(FactContext& c) {
  const auto domain = mail::to_ascii_domain(parsed(c).domain);
  return domain ? mx_group(c, *domain) : Outcome(Value());
}

const policy::RecordShape kRecipientShape{"rcpt", {}};

policy::Type recipients_type() {
  policy::Type type = policy::Type::list_of(Kind::Record);
  type.record = &kRecipientShape;
  return type;
}

template <int RecipientCounts::*Count>
Outcome count(FactContext& c) {
  return Value(c.recipient_counts() != nullptr ? c.recipient_counts()->*Count : 0);
}

Outcome parameters(FactContext& c) {
  policy::Values values;
  if (c.recipient() != nullptr)
    for (const std::string& text : c.recipient()->parameters) values.emplace_back(text);
  return Value::list(std::move(values));
}

std::vector<Fact> message_wide() {
  auto facts = make_facts(
      mail::Stage::Data, mail::Scope::Transaction,
      {
          {"rcpts", recipients_type(),
           "The accepted recipients; inside any, all and count rcpt.* is the one looked at.",
           [](FactContext& c) -> Outcome {
             return Value(static_cast<std::int64_t>(c.accepted_recipients().size()));
           }},
          {"message.profile", plain(Kind::Text),
           "The profile that `recipients:` chose for this message.",
           [](FactContext& c) -> Outcome {
             return Value(c.profile() != nullptr ? *c.profile() : std::string("default"));
           }},
      });
  for (Fact& fact : facts) fact.signature.needs_headers = false;
  return facts;
}

}  // namespace

std::vector<Fact> recipient_facts() {
  auto facts = make_facts(
      mail::Stage::Rcpt, mail::Scope::Recipient,
      {
          {"rcpt.address", plain(Kind::Address), "Address of the recipient.",
           [](FactContext& c) -> Outcome { return Value(parsed(c).address); }},
          {"rcpt.localpart", plain(Kind::Text), "Its local part.",
           [](FactContext& c) -> Outcome { return Value(parsed(c).local_part); }},
          {"rcpt.domain", plain(Kind::Domain), "Its domain, as lower-case A-labels.",
           [](FactContext& c) -> Outcome { return Value(parsed(c).domain); }},
          {"rcpt.valid", plain(Kind::Bool), "Syntax by RFC 5321 (RFC 6531 with SMTPUTF8).",
           [](FactContext& c) -> Outcome { return Value(parsed(c).error.empty()); }},
          {"rcpt.error", optional(Kind::Text), "Why the syntax is not valid, for a reply text.",
           [](FactContext& c) -> Outcome { return text_or_none(parsed(c).error); }},
          {"rcpt.parameters", policy::Type::list_of(Kind::Text), "All parameters of RCPT, as sent.",
           parameters},
          {"rcpt.exists", plain(Kind::Bool), "The MTA itself takes the recipient.",
           [](FactContext& c) -> Outcome {
             return Value(c.recipient() == nullptr || !c.recipient()->refused_by_mta);
           }},
          {"rcpt.resolves", plain(Kind::Bool), "Mail can be sent to its domain.",
           about_domain<&receives_mail>, "1 to 3 DNS look-ups"},
          {"rcpt.null_mx", plain(Kind::Bool),
           "Its domain says by a null MX (RFC 7505) that it takes no mail.",
           about_domain<&has_null_mx>, "1 DNS look-up"},
          {"rcpt.count", plain(Kind::Int),
           "Recipients accepted in this message, this one included.",
           count<&RecipientCounts::accepted>},
          {"rcpt.tried", plain(Kind::Int),
           "Recipients asked for in this message, this one included.",
           count<&RecipientCounts::tried>},
          {"rcpt.failed", plain(Kind::Int), "Recipients refused in this message.",
           count<&RecipientCounts::failed>},
          {"rcpt.quota_used", optional(Kind::Float),
           "Share of the mailbox's quota in use, 1.0 is full; from an external fact.",
           [](FactContext&) -> Outcome { return Value(); }},
          {"rcpt.deliverable", deliverable_type(),
           "What the recipient's own mail server says (callout).",
           [](FactContext& c) -> Outcome { return deliverable(c, parsed(c)); }, "an SMTP session"},
          {"rcpt.mx_group", optional(Kind::Text),
           "Registrable domain of the best MX host, as google.com.", group_of_mx, "1 DNS look-up"},
      });
  for (Fact& fact : message_wide()) facts.push_back(std::move(fact));
  return facts;
}

}  // namespace sluice::facts
