#include "language_vocabulary.h"

#include <catch2/catch.hpp>

namespace sluice::policy::testing {
namespace {

using mail::Scope;
using mail::Stage;

const EnumWords kSpf{"spf.result", {"none", "neutral", "pass", "fail", "softfail", "permerror"}};
const EnumWords kDkim{"dkim.result", {"none", "pass", "fail", "permerror"}};
const EnumWords kDmarcPolicy{"dmarc.policy", {"none", "quarantine", "reject"}};
const EnumWords kWeekday{"time.weekday", {"mon", "tue", "wed", "thu", "fri", "sat", "sun"}};
const EnumWords kBody{"mail.body", {"7bit", "8bitmime", "binarymime"}};
const EnumWords kDeliverable{"deliverable",
                             {"accepted", "refused", "temporary", "no_answer", "dropped"}};

const RecordShape kMember{"member",
                          {{"name", Type::of(Kind::Text)}, {"ext", Type::of(Kind::Text, true)}}};
const RecordShape kHeader{"header",
                          {{"name", Type::of(Kind::Text)}, {"value", Type::of(Kind::Text)}}};
const RecordShape kRecipient{"rcpt", {}};

Type list_of(const RecordShape& shape) {
  Type type = Type::list_of(Kind::Record);
  type.record = &shape;
  return type;
}

const RecordShape kFile{"file",
                        {{"name", Type::of(Kind::Text, true)},
                         {"ext", Type::of(Kind::Text, true)},
                         {"type", Type::of(Kind::Text)},
                         {"size", Type::of(Kind::Size)},
                         {"encrypted", Type::of(Kind::Bool)},
                         {"macros", Type::of(Kind::Bool)},
                         {"members", list_of(kMember)}}};

Type words(const EnumWords& of, bool optional = false) {
  Type type = Type::of(Kind::Enum, optional);
  type.words = &of;
  return type;
}

// "client.ip ip, client.name text?": facts of one stage and scope whose types have a name.
void add(std::vector<FactSignature>& facts, Stage stage, Scope scope,
         std::initializer_list<std::pair<const char*, const char*>> rows, const char* cost = "") {
  for (const auto& [name, type] : rows) {
    FactSignature fact;
    fact.name = name;
    fact.type = *parse_type(type);
    fact.available_from = stage;
    fact.scope = scope;
    fact.cost = cost;
    fact.needs_headers = stage == Stage::Headers || stage == Stage::End;
    fact.needs_body = stage == Stage::End;
    facts.push_back(fact);
  }
}

void add(std::vector<FactSignature>& facts, Stage stage, Scope scope, const char* name,
         const Type& type) {
  FactSignature fact;
  fact.name = name;
  fact.type = type;
  fact.available_from = stage;
  fact.scope = scope;
  fact.needs_headers = stage == Stage::Headers || stage == Stage::End;
  fact.needs_body = stage == Stage::End;
  facts.push_back(fact);
}

std::vector<FactSignature> all() {
  std::vector<FactSignature> f;
  add(f, Stage::Connect, Scope::Connection,
      {{"client.ip", "ip"},
       {"client.net", "cidr"},
       {"client.port", "int"},
       {"client.name", "text?"},
       {"client.ptr", "text?"},
       {"client.rdns", "text?"},
       {"client.pool", "text"},
       {"client.dynamic", "bool"},
       {"client.country", "text?"},
       {"client.asn", "int?"},
       {"client.connections", "int"},
       {"client.first_seen", "duration?"},
       {"server.name", "text"},
       {"server.ip", "ip?"},
       {"server.port", "int?"},
       {"time.now", "datetime"},
       {"time.local", "clock"},
       {"score", "float"},
       {"dnsbl.names", "list of text"},
       {"dnsbl.text", "text?"}});
  add(f, Stage::Connect, Scope::Connection, "time.weekday", words(kWeekday));
  add(f, Stage::Command, Scope::Connection, {{"command.name", "text"}, {"command.count", "int"}});
  add(f, Stage::Helo, Scope::Connection,
      {{"helo.name", "text?"},
       {"helo.valid", "bool"},
       {"helo.is_literal", "bool"},
       {"helo.is_fqdn", "bool"},
       {"helo.resolves", "bool"}});
  add(f, Stage::Mail, Scope::Transaction,
      {{"sender.address", "address?"}, {"sender.localpart", "text?"},
       {"sender.domain", "domain?"},   {"sender.is_null", "bool"},
       {"sender.valid", "bool"},       {"sender.error", "text?"},
       {"sender.resolves", "bool"},    {"sender.null_mx", "bool"},
       {"sender.bogus_mx", "bool"},    {"mail.size", "size?"},
       {"mail.smtputf8", "bool"},      {"mail.parameters", "list of text"},
       {"auth.user", "text?"},         {"auth.domain", "domain?"},
       {"auth.method", "text?"},       {"tls.active", "bool"},
       {"tls.version", "text?"},       {"tls.cipher_bits", "int?"},
       {"tls.verified", "bool"},       {"tls.cert_cn", "text?"},
       {"spf.domain", "domain?"},      {"spf.explanation", "text?"}});
  add(f, Stage::Mail, Scope::Transaction, "mail.body", words(kBody));
  add(f, Stage::Mail, Scope::Transaction, "sender.deliverable", words(kDeliverable));
  add(f, Stage::Mail, Scope::Transaction, "spf.result", words(kSpf));
  f.back().cost = "up to 10 DNS look-ups";
  add(f, Stage::Rcpt, Scope::Recipient,
      {{"rcpt.address", "address"},
       {"rcpt.localpart", "text"},
       {"rcpt.domain", "domain"},
       {"rcpt.valid", "bool"},
       {"rcpt.error", "text?"},
       {"rcpt.parameters", "list of text"},
       {"rcpt.exists", "bool"},
       {"rcpt.resolves", "bool"},
       {"rcpt.null_mx", "bool"},
       {"rcpt.count", "int"},
       {"rcpt.tried", "int"},
       {"rcpt.failed", "int"},
       {"rcpt.quota_used", "float?"},
       {"rcpt.mx_group", "domain?"}});
  add(f, Stage::Rcpt, Scope::Recipient, "rcpt.deliverable", words(kDeliverable));
  add(f, Stage::Data, Scope::Transaction, "rcpts", list_of(kRecipient));
  add(f, Stage::Data, Scope::Transaction, {{"message.profile", "text"}});
  add(f, Stage::Headers, Scope::Transaction, "headers", list_of(kHeader));
  add(f, Stage::Headers, Scope::Transaction,
      {{"headers.size", "size"},
       {"from.name", "text"},
       {"from.address", "address?"},
       {"from.domain", "domain?"},
       {"from.count", "int"},
       {"from.addresses", "list of address"},
       {"subject.text", "text"},
       {"subject.raw", "text"},
       {"received.count", "int"},
       {"received.external_ip", "ip?"},
       {"msg.is_list", "bool"},
       {"message_id", "text?"},
       {"date", "datetime?"}});
  add(f, Stage::Headers, Scope::Transaction, "received.spf", words(kSpf));
  add(f, Stage::End, Scope::Transaction,
      {{"msg.size", "size"},
       {"msg.max_line", "int"},
       {"msg.types", "list of text"},
       {"msg.digest", "text"},
       {"body.charsets", "list of text"},
       {"body.language", "text?"},
       {"body.text", "text"},
       {"body.truncated", "bool"},
       {"spam.score", "float"},
       {"spam.action", "text?"},
       {"spam.symbols", "list of text"},
       {"virus.found", "bool"},
       {"virus.name", "text?"},
       {"dkim.domains", "list of domain"},
       {"arc.sealer", "domain?"}});
  add(f, Stage::End, Scope::Transaction, "attachments", list_of(kFile));
  add(f, Stage::End, Scope::Transaction, "dkim.result", words(kDkim));
  add(f, Stage::End, Scope::Transaction, "dmarc.result", words(kDkim));
  add(f, Stage::End, Scope::Transaction, "dmarc.policy", words(kDmarcPolicy, true));
  add(f, Stage::End, Scope::Transaction, "arc.result", words(kDkim));
  return f;
}

}  // namespace

const Vocabulary& language_vocabulary() {
  static const Vocabulary vocabulary(all());
  return vocabulary;
}

}  // namespace sluice::policy::testing

TEST_CASE("language vocabulary: every fact has its name once") {
  const auto& facts = sluice::policy::testing::language_vocabulary().all();
  for (std::size_t i = 1; i < facts.size(); ++i) CHECK(facts[i - 1].name < facts[i].name);
}
