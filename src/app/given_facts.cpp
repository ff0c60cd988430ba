#include "app/given_facts.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"
#include "facts/fact.h"
#include "mail/address.h"
#include "mail/domain.h"

namespace sluice::app {

using policy::Kind;
using policy::Type;
using policy::Unknown;
using policy::UnknownReason;
using policy::Value;

namespace {

Result<Value> wrong(std::string_view text, std::string_view expected) {
  return config_error("`" + std::string(text.substr(0, 80)) + "` is not " + std::string(expected));
}

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && rest == text.data() + text.size() ? std::optional<T>(value)
                                                                   : std::nullopt;
}

Result<Value> as_bool(const Type&, std::string_view text) {
  if (text == "true") return Value(true);
  if (text == "false") return Value(false);
  return wrong(text, "true or false");
}
Result<Value> as_int(const Type&, std::string_view text) {
  if (const auto value = number<std::int64_t>(text)) return Value(*value);
  return wrong(text, "a whole number");
}
Result<Value> as_float(const Type&, std::string_view text) {
  if (const auto value = number<double>(text)) return Value(*value);
  return wrong(text, "a number");
}
Result<Value> as_text(const Type&, std::string_view text) { return Value(text); }
Result<Value> as_domain(const Type&, std::string_view text) {
  if (auto domain = mail::to_ascii_domain(text)) return Value(std::move(*domain));
  return wrong(text, "a domain");
}
Result<Value> as_address(const Type&, std::string_view text) {
  if (auto address = mail::parse_mailbox(text, mail::Utf8::Allowed))
    return Value(address->to_string());
  return wrong(text, "an address");
}
Result<Value> as_ip(const Type&, std::string_view text) {
  if (auto address = IpAddress::parse(text)) return Value(*address);
  return wrong(text, "an IP address");
}
Result<Value> as_cidr(const Type&, std::string_view text) {
  if (auto network = Network::parse(text)) return Value(*network);
  return wrong(text, "a network");
}
Result<Value> as_duration(const Type&, std::string_view text) {
  if (auto duration = parse_duration(text)) return Value(*duration);
  return wrong(text, "a duration as 5m");
}
Result<Value> as_size(const Type&, std::string_view text) {
  if (auto size = parse_size(text)) return Value(*size);
  if (auto bytes = number<std::int64_t>(text)) return Value(*bytes);
  return wrong(text, "a size as 25MB");
}
Result<Value> as_datetime(const Type&, std::string_view text) {
  if (auto time = parse_datetime(text)) return Value(*time);
  return wrong(text, "a time as 2026-10-15T00:00Z");
}
Result<Value> as_clock(const Type&, std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos) {
    const auto hours = number<int>(text.substr(0, colon)),
               minutes = number<int>(text.substr(colon + 1));
    if (hours && minutes && *hours >= 0 && *hours < 24 && *minutes >= 0 && *minutes < 60)
      return Value(policy::ClockTime{*hours * 60 + *minutes});
  }
  return wrong(text, "a time of day as 22:30");
}
Result<Value> as_enum(const Type& type, std::string_view text) {
  std::string expected = "one of";
  for (const std::string_view word : type.words->words) {
    if (word == text) return Value(word);
    expected += " " + std::string(word);
  }
  return wrong(text, expected);
}
Result<Value> as_nothing(const Type&, std::string_view text) {
  return wrong(text, "a value that can be given");
}

using Parse = Result<Value> (*)(const Type&, std::string_view);
// In the order of policy::Kind.
constexpr std::array<Parse, 16> kParse{
    as_bool,     as_int,  as_float,   as_text,  as_domain,   as_address, as_ip,      as_cidr,
    as_duration, as_size, as_nothing, as_clock, as_datetime, as_enum,    as_nothing, as_nothing};

struct UnknownWord {
  std::string_view word;
  UnknownReason reason;
};
constexpr std::array<UnknownWord, 3> kUnknownWords{{{"timeout", UnknownReason::Timeout},
                                                    {"servfail", UnknownReason::ServFail},
                                                    {"unknown", UnknownReason::External}}};

bool has_word(const Type& type, std::string_view text) {
  if (type.kind != Kind::Enum || type.words == nullptr) return false;
  const auto& words = type.words->words;
  return std::find(words.begin(), words.end(), text) != words.end();
}

Type element_of(const Type& type) {
  Type element = Type::of(type.element);
  element.words = type.words;
  element.record = type.record;
  return element;
}

// A record is the list of its fields in the order of its shape; what is not written is none.
Result<Value> parse_record(const Type& type, const policy::YamlNode& node) {
  if (node.kind != policy::YamlNode::Kind::Map || type.record == nullptr)
    return config_error("a map of fields is expected");
  policy::Values fields;
  for (const auto& field : type.record->fields) {
    const policy::YamlNode* given = node.find(field.name);
    if (given == nullptr) {
      fields.push_back(field.type.kind == Kind::List   ? Value::list({})
                       : field.type.kind == Kind::Bool ? Value(false)
                                                       : Value());
      continue;
    }
    Result<Value> value = parse_given_value(field.type, *given);
    if (!value) return value;
    fields.push_back(std::move(*value));
  }
  return Value::list(std::move(fields));
}

Result<Value> parse_list(const Type& type, const policy::YamlNode& node) {
  policy::Values items;
  const Type element = element_of(type);
  if (node.kind == policy::YamlNode::Kind::Scalar) {
    Result<Value> value = parse_given_value(element, node.scalar.text);
    if (!value) return value;
    items.push_back(std::move(*value));
  }
  if (node.items.size() > kMaxGivenItems) return config_error("too many items");
  for (const policy::YamlNode& item : node.items) {
    Result<Value> value = parse_given_value(element, item);
    if (!value) return value;
    items.push_back(std::move(*value));
  }
  return Value::list(std::move(items));
}

}  // namespace

Result<Value> parse_given_value(const Type& type, std::string_view text) {
  if (has_word(type, text)) return Value(text);
  for (const auto& [word, reason] : kUnknownWords) {
    if (word == text) return Value(Unknown{reason});
  }
  if (text == "none" && (type.optional || type.kind == Kind::List))
    return type.kind == Kind::List ? Value::list({}) : Value();
  return kParse[static_cast<std::size_t>(type.kind)](type, text);
}

Result<Value> parse_given_value(const Type& type, const policy::YamlNode& node) {
  const bool is_word = node.kind == policy::YamlNode::Kind::Scalar;
  const bool is_unknown = is_word && std::any_of(kUnknownWords.begin(), kUnknownWords.end(),
                                                 [&](const UnknownWord& entry) {
                                                   return entry.word == node.scalar.text;
                                                 });
  if (type.kind == Kind::Record) return parse_record(type, node);
  if (type.kind == Kind::List && !is_unknown && !(is_word && node.scalar.text == "none"))
    return parse_list(type, node);
  if (!is_word) return config_error("a single value is expected");
  return parse_given_value(type, node.scalar.text);
}

const policy::FactSignature* find_signature(const policy::Program& program, std::string_view name) {
  for (const policy::UsedFact& used : program.facts()) {
    if (used.signature.name == name) return &used.signature;
  }
  return facts::built_in_vocabulary().find(name);
}

bool matches_address(std::string_view pattern, std::string_view address) {
  const std::string wanted = fold(pattern), text = fold(address);
  std::size_t p = 0, t = 0, star = std::string::npos, behind = 0;
  while (t < text.size()) {
    if (p < wanted.size() && wanted[p] == '*') {
      star = p++;
      behind = t;
    } else if (p < wanted.size() && wanted[p] == text[t]) {
      ++p, ++t;
    } else if (star != std::string::npos) {
      p = star + 1;
      t = ++behind;
    } else {
      return false;
    }
  }
  while (p < wanted.size() && wanted[p] == '*') ++p;
  return p == wanted.size();
}

void GivenValues::set(const std::string& fact, Value value) {
  by_address_.erase(fact);
  all_[fact] = std::move(value);
}

void GivenValues::set_for(const std::string& fact, std::string address_pattern, Value value) {
  all_.erase(fact);
  by_address_[fact].emplace_back(std::move(address_pattern), std::move(value));
}

void GivenValues::set_default(const std::string& fact, Value value) {
  defaults_.emplace(fact, std::move(value));
}

const Value* GivenValues::find(const std::string& fact, const mail::Recipient* recipient) {
  if (const auto given = all_.find(fact); given != all_.end()) return &given->second;
  if (const auto given = by_address_.find(fact);
      given != by_address_.end() && recipient != nullptr) {
    const std::string_view address = mail::strip_brackets(recipient->path);
    for (const auto& [pattern, value] : given->second) {
      if (matches_address(pattern, address)) return &value;
    }
  }
  const auto usual = defaults_.find(fact);
  return usual != defaults_.end() ? &usual->second : nullptr;
}

namespace {

struct Default {
  std::string_view fact;
  Value value;
};

}  // namespace

void give_defaults(GivenValues& values, const policy::Program& program, bool mail_is_checked) {
  static const std::array<Default, 6> kChecks{{{"spf.result", Value("none")},
                                               {"received.spf", Value("none")},
                                               {"dkim.result", Value("none")},
                                               {"dkim.domains", Value::list({})},
                                               {"dmarc.result", Value("none")},
                                               {"arc.result", Value("none")}}};
  static const std::array<Default, 6> kScanners{{{"virus.found", Value(false)},
                                                 {"virus.name", Value()},
                                                 {"spam.score", Value(0.0)},
                                                 {"spam.action", Value()},
                                                 {"spam.symbols", Value::list({})},
                                                 {"dmarc.policy", Value()}}};
  if (!mail_is_checked) {
    for (const Default& entry : kChecks) values.set_default(std::string(entry.fact), entry.value);
  }
  for (const Default& entry : kScanners) {
    if (!mail_is_checked || entry.fact != "dmarc.policy")
      values.set_default(std::string(entry.fact), entry.value);
  }
  for (const policy::UsedFact& used : program.facts()) {
    if (used.origin == policy::UsedFact::Origin::Declared && used.signature.type.optional)
      values.set_default(used.signature.name, Value());
  }
}

}  // namespace sluice::app
