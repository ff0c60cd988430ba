#include "policy/type.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace sluice::policy {
namespace {

// In the order of Kind.
constexpr std::array<std::string_view, 16> kNames{
    "bool",     "int",  "float", "text",  "domain",   "address", "ip",   "cidr",
    "duration", "size", "rate",  "clock", "datetime", "enum",    "list", "record"};
constexpr std::size_t kWritten =
    13;  // enum, list and record have no name that a policy could write

std::optional<Kind> parse_kind(std::string_view text) {
  const auto end = kNames.begin() + kWritten;
  const auto name = std::find(kNames.begin(), end, text);
  return name == end ? std::nullopt : std::optional(static_cast<Kind>(name - kNames.begin()));
}

constexpr std::string_view kListOf = "list of ";

}  // namespace

std::string_view kind_name(Kind kind) { return kNames[static_cast<std::size_t>(kind)]; }

std::string type_name(const Type& type) {
  std::string name(kind_name(type.kind));
  if (type.kind == Kind::List) {
    name = kListOf;
    if (type.record)
      name += type.record->prefix;
    else
      name += kind_name(type.element);
  } else if (type.kind == Kind::Record && type.record) {
    name = type.record->prefix;
  }
  return type.optional ? name + '?' : name;
}

std::optional<Type> parse_type(std::string_view text) {
  text = trim(text);
  const bool optional = text.ends_with('?');
  if (optional) text.remove_suffix(1);
  const bool list = text.starts_with(kListOf);
  if (list) text = trim(text.substr(kListOf.size()));
  const auto kind = parse_kind(text);
  if (!kind) return std::nullopt;
  Type type = list ? Type::list_of(*kind) : Type::of(*kind);
  type.optional = optional;
  return type;
}

bool is_text_like(Kind kind) {
  return kind == Kind::Text || kind == Kind::Domain || kind == Kind::Address;
}
bool is_numeric(Kind kind) { return kind == Kind::Int || kind == Kind::Float; }

}  // namespace sluice::policy
