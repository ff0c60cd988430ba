#include "app/greylist_pass.h"

#include <string>
#include <vector>

#include "app/given_facts.h"
#include "base/text.h"
#include "engine/state_key.h"

namespace sluice::app {
namespace {

using policy::GreylistSpec;
using policy::Kind;
using policy::Program;
using policy::Rule;
using policy::Type;
using policy::Value;

const Rule* find_greylist(const Program& program, std::string_view name) {
  for (const Rule& rule : program.rules())
    if (rule.greylist && rule.name == name) return &rule;
  return nullptr;
}

// Words between two facts of a name: " rcpt.address=".
std::string mark(const Program& program, policy::ExprId expr) {
  return " " + std::string(engine::key_expression(program, expr)) + "=";
}

tl::unexpected<Error> no_such_key(const Program& program, const Rule& rule) {
  std::string form = rule.name;
  for (const policy::ExprId expr : rule.greylist->key) form += mark(program, expr) + "…";
  return config_error("an entry of this greylist is written `" + form + "`");
}

// The texts behind the marks; false: they are not all there, or it is not clear where one ends.
bool split(const Program& program, const GreylistSpec& spec, std::string_view text,
           std::vector<std::string_view>& values) {
  for (std::size_t i = 0; i < spec.key.size(); ++i) {
    const std::string begins = mark(program, spec.key[i]);
    if (!text.starts_with(begins)) return false;
    text.remove_prefix(begins.size());
    const bool is_last = i + 1 == spec.key.size();
    const std::string ends = is_last ? std::string() : mark(program, spec.key[i + 1]);
    const std::size_t end = is_last ? text.size() : text.find(ends);
    if (end == std::string_view::npos || end == 0) return false;
    if (!is_last && text.find(ends, end + 1) != std::string_view::npos) return false;
    values.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return text.empty();
}

std::string all_recipients(std::string_view text) {
  std::vector<std::string> all;
  for (const std::string_view one : sluice::split(text, ','))
    all.push_back(engine::key_part(Value(std::string(trim(one))), Kind::Address));
  return engine::recipients_part(std::move(all));
}

Result<std::string> part_of(Kind kind, std::string_view text) {
  switch (kind) {
    case Kind::List:  // as it is printed: "3:abc"
      return std::string(text);
    case Kind::Text:
    case Kind::Domain:
    case Kind::Address:
    case Kind::Enum:
      return engine::key_part(text == "<>" ? Value() : Value(std::string(text)), kind);
    default:
      break;
  }
  if (text == "<>") return engine::key_part(Value(), kind);
  const Result<Value> value = parse_given_value(Type::of(kind), text);
  if (!value) return tl::unexpected(value.error());
  if (value->is_unknown()) return config_error("`" + std::string(text) + "` is no value of a key");
  return engine::key_part(*value, kind);
}

}  // namespace

Result<backends::GreylistPromote> pass_of(const Program& program, std::string_view name) {
  if (name.size() > kMaxEntryName) return config_error("the name of the entry is too long");
  const std::size_t blank = name.find(' ');
  const std::string rule_name(name.substr(0, blank));
  const Rule* rule = find_greylist(program, rule_name);
  if (rule == nullptr) return config_error("the policy has no greylist `" + rule_name + "`");
  const GreylistSpec& spec = *rule->greylist;
  std::vector<std::string_view> texts;
  if (!split(program, spec, name.substr(rule_name.size()), texts))
    return no_such_key(program, *rule);
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const bool all = i < spec.key_all_recipients.size() && spec.key_all_recipients[i];
    Result<std::string> part = all ? Result<std::string>(all_recipients(texts[i]))
                                   : part_of(program.kind_of(spec.key[i]), texts[i]);
    if (!part) return tl::unexpected(part.error());
    parts.push_back(std::move(*part));
  }
  return backends::GreylistPromote{engine::state_key(spec.state_key, parts),
                                   engine::state_name(program, *rule, spec.key, parts),
                                   spec.remember,
                                   {},
                                   0,
                                   Duration{0}};
}

}  // namespace sluice::app
