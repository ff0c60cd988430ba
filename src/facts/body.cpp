// Facts about the whole message (stage end): sizes, parts, text, attachments.
#include <algorithm>

#include "facts/make_fact.h"
#include "facts/message_content.h"
#include "facts/message_defects.h"

namespace sluice::facts {

using policy::Kind;
using policy::Type;
using policy::Value;

namespace {

const policy::RecordShape kMemberShape{"member",
                                       {{"name", plain(Kind::Text)}, {"ext", plain(Kind::Text)}}};

Type members_type() {
  Type type = Type::list_of(Kind::Record);
  type.record = &kMemberShape;
  return type;
}

const policy::RecordShape kFileShape{"file",
                                     {{"name", plain(Kind::Text)},
                                      {"ext", optional(Kind::Text)},
                                      {"type", plain(Kind::Text)},
                                      {"size", plain(Kind::Size)},
                                      {"encrypted", plain(Kind::Bool)},
                                      {"macros", plain(Kind::Bool)},
                                      {"members", members_type()}}};

Type attachments_type() {
  Type type = Type::list_of(Kind::Record);
  type.record = &kFileShape;
  return type;
}

template <class Items>
Value texts(const Items& items) {
  policy::Values list;
  for (const auto& item : items) list.emplace_back(item);
  return Value::list(std::move(list));
}

Value member_list(const Attachment& file) {
  if (!file.members) return Value(policy::Unknown{policy::UnknownReason::Malformed});
  policy::Values list;
  for (const std::string& name : *file.members)
    list.push_back(Value::list({Value(name), Value(extension_of(name))}));
  return Value::list(std::move(list));
}

Value attachments(const MessageContent& m) {
  policy::Values list;
  for (const Attachment& file : m.attachments())
    list.push_back(
        Value::list({Value(file.name), text_or_none(file.ext), Value(file.type), Value(file.size),
                     Value(file.encrypted), Value(file.macros), member_list(file)}));
  return Value::list(std::move(list));
}

Value types(const MessageContent& m) {
  policy::Values list;
  for (const MimePart& part : m.structure().parts) list.emplace_back(part.type.value);
  return Value::list(std::move(list));
}

Value charsets(const MessageContent& m) { return texts(m.charsets()); }
Value defects(const MessageContent& m) { return texts(m.defects()); }
Value scripts(const MessageContent& m) { return texts(scripts_of(m.text())); }
Value text(const MessageContent& m) { return Value(m.text()); }
Value truncated(const MessageContent& m) { return Value(m.truncated()); }
Value max_line(const MessageContent& m) { return Value(m.longest_line()); }
Value digest(const MessageContent& m) { return Value(m.digest()); }

template <Value (*Found)(const MessageContent&)>
Outcome of_content(FactContext& c) {
  const MessageContent* content = c.content();
  return content != nullptr ? Outcome(Found(*content)) : Outcome(Value());
}

// Header, the empty line, body: as RFC 1870 counts.
Outcome size(FactContext& c) {
  const mail::Message* message = c.message();
  return Value(message != nullptr
                   ? static_cast<std::int64_t>(message->headers_bytes + 2 + message->body_bytes)
                   : std::int64_t{0});
}

}  // namespace

std::vector<Fact> body_facts() {
  std::vector<Fact> facts = make_facts(
      mail::Stage::End, mail::Scope::Transaction,
      {
          {"msg.size", plain(Kind::Size), "Bytes of the whole message.", size, "the body"},
          {"msg.max_line", plain(Kind::Int), "Bytes of the longest line of the body.",
           of_content<max_line>, "the body"},
          {"msg.types", Type::list_of(Kind::Text),
           "MIME types of all parts, the message's own first.", of_content<types>, "the body"},
          {"msg.digest", plain(Kind::Text), "Digest of body and subject.", of_content<digest>,
           "the body"},
          {"msg.defects", Type::list_of(Kind::Text),
           "What is wrong with its form: ambiguous-mime, bare-cr, bare-lf, control-in-header, "
           "duplicate-field, eight-bit-header, long-line (over 998), nul, too-complex.",
           of_content<defects>, "the body"},
          {"body.scripts", Type::list_of(Kind::Text),
           "Scripts of its text, as ISO 15924 codes: Latn, Cyrl, Hani.", of_content<scripts>,
           "the body"},
          {"body.charsets", Type::list_of(Kind::Text), "Character sets of the text parts.",
           of_content<charsets>, "the body"},
          {"body.language", optional(Kind::Text),
           "Language of the text; none unless a fact of the site answers it.",
           [](FactContext&) -> Outcome { return Value(); }},
          {"body.text", plain(Kind::Text),
           "Decoded text parts and headers of enclosed messages, the first 256 KiB.",
           of_content<text>, "the body"},
          {"body.truncated", plain(Kind::Bool), "Not all of the message was looked at.",
           of_content<truncated>, "the body"},
          {"attachments", attachments_type(),
           "The files, each with file.name, file.ext, file.type, file.size, file.encrypted, "
           "file.macros, file.members (member.name, "
           "member.ext).",
           of_content<attachments>, "the body"},
      });
  facts.front().signature.keeps_body = false;  // msg.size: counted while it comes
  return facts;
}

}  // namespace sluice::facts
