// Facts about the header of the message (stage headers).
#include "base/text.h"
#include "facts/make_fact.h"
#include "facts/message_content.h"
#include "facts/message_defects.h"
#include "mail/address.h"

namespace sluice::facts {

using policy::Kind;
using policy::Value;

namespace {

constexpr int kMaxReceivedHops = 100;  // looked at on the way to the first hop outside

Outcome pending_or(FactContext& c, Value (*found)(const MessageContent& content)) {
  const MessageContent* content = c.content();
  return content != nullptr ? Outcome(found(*content)) : Outcome(Value());
}

template <Value (*Found)(const MessageContent&)>
Outcome of_content(FactContext& c) {
  return pending_or(c, Found);
}

const policy::RecordShape kHeaderShape{"header",
                                       {{"name", plain(Kind::Text)}, {"value", plain(Kind::Text)}}};

policy::Type headers_type() {
  policy::Type type = policy::Type::list_of(Kind::Record);
  type.record = &kHeaderShape;
  return type;
}

Value all_headers(const MessageContent& content) {
  policy::Values list;
  for (const mail::Header& header : content.headers())
    list.push_back(Value::list({Value(header.name), Value(header.value)}));
  return Value::list(std::move(list));
}

Value from_name(const MessageContent& m) {
  return Value(m.from().empty() ? std::string() : m.from().front().name);
}
Value from_address(const MessageContent& m) {
  return m.from().empty() ? Value() : text_or_none(m.from().front().address);
}
Value from_domain(const MessageContent& m) {
  return m.from().empty() ? Value()
                          : text_or_none(mail::split_at_last_at(m.from().front().address).domain);
}
Value from_count(const MessageContent& m) {
  return Value(static_cast<std::int64_t>(m.from().size()));
}
Value from_addresses(const MessageContent& m) {
  policy::Values list;
  for (const Mailbox& mailbox : m.from())
    if (!mailbox.address.empty()) list.emplace_back(mailbox.address);
  return Value::list(std::move(list));
}
Value subject_text(const MessageContent& m) {
  const std::string* subject = m.header("Subject");
  return Value(subject != nullptr ? *subject : std::string());
}
Value subject_raw(const MessageContent& m) { return Value(m.raw_header("Subject").value_or("")); }
Value subject_scripts(const MessageContent& m) {
  const std::string* subject = m.header("Subject");
  policy::Values list;
  for (const std::string& script : scripts_of(subject != nullptr ? *subject : std::string()))
    list.emplace_back(script);
  return Value::list(std::move(list));
}
Value duplicates(const MessageContent& m) {
  policy::Values list;
  for (const std::string& name : duplicated_fields(m.headers())) list.emplace_back(name);
  return Value::list(std::move(list));
}
Value received_count(const MessageContent& m) {
  return Value(static_cast<std::int64_t>(m.count("Received")));
}
Value message_id(const MessageContent& m) {
  const std::string* id = m.header("Message-ID");
  return id != nullptr ? text_or_none(*id) : Value();
}
Value date(const MessageContent& m) {
  const std::string* text = m.header("Date");
  return text != nullptr ? Value(parse_mail_date(*text)) : Value();
}
Value is_list(const MessageContent& m) {
  const std::string* precedence = m.header("Precedence");
  return Value(m.header("List-Id") != nullptr || m.header("List-Post") != nullptr ||
               (precedence != nullptr && equal_folded(*precedence, "list")));
}

// The address in brackets that the receiving host wrote into its Received field: "from name (rdns
// [192.0.2.1]) by …".
std::optional<IpAddress> received_from(std::string_view value) {
  const std::size_t by = fold(value).find(" by ");
  const std::string_view from = value.substr(0, by);
  const std::size_t open = from.rfind('[');
  const std::size_t close = open == std::string_view::npos ? open : from.find(']', open);
  if (close == std::string_view::npos) return std::nullopt;
  std::string_view text = from.substr(open + 1, close - open - 1);
  if (equal_folded(text.substr(0, 5), "IPv6:")) text.remove_prefix(5);
  return IpAddress::parse(text);
}

// Fields are believed only as long as a trusted relay wrote them: from the client on, hop by hop,
// to the first one outside.
Outcome external_ip(FactContext& c) {
  const MessageContent* content = c.content();
  auto hop = c.connection().client_ip;
  const auto is_trusted = [&](const IpAddress& address) {
    for (const Network& relay : c.settings().trusted_relays)
      if (relay.contains(address)) return true;
    return false;
  };
  int hops = 0;
  std::size_t at = 0;
  while (hop && is_trusted(*hop)) {
    if (content == nullptr || ++hops > kMaxReceivedHops) return Value();
    const auto& headers = content->headers();
    while (at < headers.size() && !equal_folded(headers[at].name, "Received")) ++at;
    if (at == headers.size()) return Value();
    hop = received_from(headers[at++].value);
  }
  return Value(hop);
}

Outcome header_bytes(FactContext& c) {
  return Value(c.message() != nullptr ? static_cast<std::int64_t>(c.message()->headers_bytes)
                                      : std::int64_t{0});
}

}  // namespace

std::vector<Fact> headers_facts() {
  return make_facts(
      mail::Stage::Headers, mail::Scope::Transaction,
      {
          {"headers", headers_type(),
           "The header fields, each with header.name and header.value (decoded).",
           of_content<all_headers>},
          {"headers.size", plain(Kind::Size), "Bytes of the header block.", header_bytes},
          {"headers.duplicates", policy::Type::list_of(Kind::Text),
           "Names, in lower case, of fields that may stand once and stand twice.",
           of_content<duplicates>},
          {"from.name", plain(Kind::Text),
           "Display name of the first mailbox in From, decoded; empty without one.",
           of_content<from_name>},
          {"from.address", optional(Kind::Address),
           "Address of the first mailbox in From; none when it cannot be read for certain.",
           of_content<from_address>},
          {"from.domain", optional(Kind::Domain), "Its domain.", of_content<from_domain>},
          {"from.count", plain(Kind::Int), "Mailboxes in all From fields.", of_content<from_count>},
          {"from.addresses", policy::Type::list_of(Kind::Address), "Addresses in all From fields.",
           of_content<from_addresses>},
          {"subject.text", plain(Kind::Text), "The subject, decoded; empty without one.",
           of_content<subject_text>},
          {"subject.raw", plain(Kind::Text), "The subject as sent, unfolded.",
           of_content<subject_raw>},
          {"subject.scripts", policy::Type::list_of(Kind::Text),
           "Scripts of the subject, as ISO 15924 codes: Latn, Cyrl, Hani.",
           of_content<subject_scripts>},
          {"received.count", plain(Kind::Int), "Received fields: hops so far.",
           of_content<received_count>},
          {"received.external_ip", optional(Kind::Ip), "The first hop outside trusted_relays.",
           external_ip},
          {"msg.is_list", plain(Kind::Bool),
           "It comes from a mailing list (List-Id, List-Post, Precedence: list).",
           of_content<is_list>},
          {"message_id", optional(Kind::Text), "The Message-ID.", of_content<message_id>},
          {"date", optional(Kind::Datetime), "The Date.", of_content<date>},
      });
}

}  // namespace sluice::facts
