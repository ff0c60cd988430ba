// Types of the policy language (LANGUAGE 12). A type may be optional: its values may be none. Any value may be unknown.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::policy {

enum class Kind : std::uint8_t {
  Bool, Int, Float, Text, Domain, Address, Ip, Cidr, Duration, Size, Rate, Clock, Datetime, Enum,
  List,    // list<element>
  Record,  // element of headers, attachments, file.members, rcpts
};

// The words of an enum fact, in order.
struct EnumWords {
  std::string_view name;
  std::vector<std::string_view> words;
};

struct RecordShape;

struct Type {
  Kind kind = Kind::Bool;
  bool optional = false;
  Kind element = Kind::Text;               // of a List; Kind::Record with `record`
  const EnumWords* words = nullptr;        // Enum
  const RecordShape* record = nullptr;     // Record, or List of records

  bool operator==(const Type&) const = default;
  Type required() const { Type t = *this; t.optional = false; return t; }
  static Type of(Kind kind, bool optional = false) { Type t; t.kind = kind; t.optional = optional; return t; }
  static Type list_of(Kind element) { Type t; t.kind = Kind::List; t.element = element; return t; }
};

// Fields of one element: `file.ext` inside any(attachments, …). The prefix is the name inside a quantifier.
struct RecordShape {
  struct Field {
    std::string_view name;                 // "ext"
    Type type;
  };
  std::string_view prefix;                 // "file", "member", "header", "rcpt"
  std::vector<Field> fields;
};

std::string_view kind_name(Kind kind);     // "bool" … "datetime", "enum", "list", "record"
std::string type_name(const Type& type);   // "text?", "list of address"
// "text", "text?", "list of address", "duration" as written in a policy file. No enums.
std::optional<Type> parse_type(std::string_view text);
bool is_text_like(Kind kind);              // Text, Domain, Address
bool is_numeric(Kind kind);                // Int, Float

}  // namespace sluice::policy
