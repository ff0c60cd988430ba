// Facts about the name the client greets with (RFC 5321 4.1.1.1), and about commands the MTA does
// not know.
#include <algorithm>

#include "base/text.h"
#include "facts/dns_questions.h"
#include "facts/make_fact.h"
#include "mail/domain.h"

namespace sluice::facts {

using policy::Kind;
using policy::Value;

namespace {

std::string_view name_of(FactContext& c) {
  return c.helo() != nullptr ? std::string_view(*c.helo()) : std::string_view();
}

bool is_literal(std::string_view name) {
  return name.size() >= 2 && name.front() == '[' && name.back() == ']';
}

Outcome helo_resolves(FactContext& c) {
  const auto domain = mail::to_ascii_domain(name_of(c));
  if (!domain || is_literal(name_of(c))) return Value(false);
  const Outcome address = has_address(c, *domain);
  const backends::DnsAnswer* mx = c.dns(*domain, backends::DnsType::Mx);
  if (address && *address == Value(true)) return address;
  if (mx != nullptr && mx->status == backends::DnsStatus::Ok) return Value(true);
  if (!address || mx == nullptr) return std::nullopt;
  if (address->is_unknown()) return address;
  return is_answer(mx->status) ? Value(false) : Value(unknown_of(mx->status));
}

std::vector<Fact> command_facts() {
  return make_facts(mail::Stage::Command, mail::Scope::Connection,
                    {
                        {"command.name", plain(Kind::Text),
                         "The command that the MTA does not know (its first word).",
                         [](FactContext& c) -> Outcome {
                           return Value(c.command().substr(0, c.command().find(' ')));
                         }},
                        {"command.count", plain(Kind::Int),
                         "Unknown commands of this session, this one included.",
                         [](FactContext& c) -> Outcome { return Value(c.unknown_commands()); }},
                    });
}

// Underscores are against the RFC, but real hosts have them: a name with one may still be complete
// (helo.valid says the rest).
bool is_complete_name(std::string name) {
  std::replace(name.begin(), name.end(), '_', 'x');
  return mail::is_fully_qualified(name);
}

}  // namespace

std::vector<Fact> helo_facts() {
  auto facts = make_facts(
      mail::Stage::Helo, mail::Scope::Connection,
      {
          {"helo.name", optional(Kind::Text),
           "Argument of HELO or EHLO; none when it was empty or never came.",
           [](FactContext& c) -> Outcome { return text_or_none(name_of(c)); }},
          {"helo.valid", plain(Kind::Bool),
           "It is a domain or an address literal by RFC 5321 4.1.1.1.",
           [](FactContext& c) -> Outcome { return Value(mail::is_valid_helo(name_of(c))); }},
          {"helo.is_literal", plain(Kind::Bool), "It is an address literal, as [192.0.2.1].",
           [](FactContext& c) -> Outcome {
             return Value(is_literal(name_of(c)) && mail::is_valid_helo(name_of(c)));
           }},
          {"helo.is_fqdn", plain(Kind::Bool), "It is a domain of at least two labels.",
           [](FactContext& c) -> Outcome {
             return Value(is_complete_name(std::string(name_of(c))));
           }},
          {"helo.resolves", plain(Kind::Bool), "The name has an A, AAAA or MX record.",
           helo_resolves, "3 DNS look-ups"},
      });
  for (Fact& fact : command_facts()) facts.push_back(std::move(fact));
  return facts;
}

}  // namespace sluice::facts
