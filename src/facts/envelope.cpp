// Facts about MAIL: its parameters, the login and the encryption of the session (LANGUAGE 12, stage
// mail).
#include <algorithm>

#include "base/text.h"
#include "facts/make_fact.h"
#include "facts/path_facts.h"
#include "mail/domain.h"

namespace sluice::facts {

using policy::Kind;
using policy::Value;

namespace {

// Value of NAME=value among the parameters, none when absent.
std::optional<std::string_view> parameter(const mail::Envelope& envelope, std::string_view name) {
  for (const std::string& text : envelope.parameters) {
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos && equal_folded(std::string_view(text).substr(0, equals), name))
      return std::string_view(text).substr(equals + 1);
  }
  return std::nullopt;
}

// RFC 1870: up to 20 digits; what is larger than we can hold is the largest number.
Outcome mail_size(FactContext& c) {
  const auto text = parameter(*c.envelope(), "SIZE");
  if (!text || text->empty() ||
      !std::all_of(text->begin(), text->end(), [](char ch) { return ch >= '0' && ch <= '9'; }))
    return Value();
  constexpr std::int64_t kLargest = std::int64_t{1} << 53;
  std::int64_t size = 0;
  for (const char ch : *text) size = std::min(kLargest, size * 10 + (ch - '0'));
  return Value(size);
}

const policy::EnumWords kBodies{"mail.body", {"7bit", "8bitmime", "binarymime"}};

Outcome mail_body(FactContext& c) {
  const std::string body = fold(parameter(*c.envelope(), "BODY").value_or("7bit"));
  const bool known =
      std::find(kBodies.words.begin(), kBodies.words.end(), body) != kBodies.words.end();
  return Value(known ? body : "7bit");
}

policy::Type body_type() {
  policy::Type type = plain(Kind::Enum);
  type.words = &kBodies;
  return type;
}

Value texts(const std::vector<std::string>& list) {
  policy::Values values;
  for (const std::string& text : list) values.emplace_back(text);
  return Value::list(std::move(values));
}

const mail::Login* login(FactContext& c) {
  return c.envelope()->login ? &*c.envelope()->login : nullptr;
}

Outcome auth_domain(FactContext& c) {
  if (login(c) == nullptr) return Value();
  const std::string& user = login(c)->user;
  const std::size_t at = user.rfind('@');
  if (at == std::string::npos) return Value();
  const auto domain = mail::to_ascii_domain(std::string_view(user).substr(at + 1));
  return domain ? Value(*domain) : Value();
}

std::vector<Fact> login_facts() {
  return make_facts(mail::Stage::Mail, mail::Scope::Transaction,
                    {
                        {"auth.user", optional(Kind::Text), "Name of the login; none without one.",
                         [](FactContext& c) -> Outcome {
                           return login(c) ? text_or_none(login(c)->user) : Value();
                         }},
                        {"auth.domain", optional(Kind::Domain),
                         "Domain of the login, if its name is an address.", auth_domain},
                        {"auth.method", optional(Kind::Text), "How it logged in: PLAIN, LOGIN, …",
                         [](FactContext& c) -> Outcome {
                           return login(c) ? text_or_none(login(c)->method) : Value();
                         }},
                    });
}

std::vector<Fact> tls_facts() {
  return make_facts(mail::Stage::Mail, mail::Scope::Transaction,
                    {
                        {"tls.active", plain(Kind::Bool), "The session is encrypted.",
                         [](FactContext& c) -> Outcome { return Value(c.tls().active); }},
                        {"tls.version", optional(Kind::Text), "TLSv1.2, TLSv1.3, …",
                         [](FactContext& c) -> Outcome { return text_or_none(c.tls().version); }},
                        {"tls.cipher_bits", optional(Kind::Int), "Bits of the cipher's key.",
                         [](FactContext& c) -> Outcome { return Value(c.tls().cipher_bits); }},
                        {"tls.verified", plain(Kind::Bool),
                         "The client showed a certificate that the MTA verified.",
                         [](FactContext& c) -> Outcome { return Value(c.tls().verified); }},
                        {"tls.cert_cn", optional(Kind::Text), "Common name of that certificate.",
                         [](FactContext& c) -> Outcome { return Value(c.tls().cert_cn); }},
                    });
}

}  // namespace

std::vector<Fact> envelope_facts() {
  auto facts = make_facts(
      mail::Stage::Mail, mail::Scope::Transaction,
      {
          {"mail.size", optional(Kind::Size), "Size that the client declared (SIZE=).", mail_size},
          {"mail.smtputf8", plain(Kind::Bool), "The client asked for SMTPUTF8 (RFC 6531).",
           [](FactContext& c) -> Outcome { return Value(wants_utf8(*c.envelope())); }},
          {"mail.body", body_type(), "BODY parameter of MAIL.", mail_body},
          {"mail.parameters", policy::Type::list_of(Kind::Text), "All parameters of MAIL, as sent.",
           [](FactContext& c) -> Outcome { return texts(c.envelope()->parameters); }},
      });
  for (Fact& fact : login_facts()) facts.push_back(std::move(fact));
  for (Fact& fact : tls_facts()) facts.push_back(std::move(fact));
  return facts;
}

}  // namespace sluice::facts
