// Expressions for tests: a scalar that stands alone in a file, and trees as S-expressions, every
// operand in brackets.
#pragma once
#include <memory>
#include <string>

#include "base/text.h"
#include "policy/ast.h"

namespace sluice::policy {

inline Scalar scalar_of(const std::string& text) {
  const auto file = std::make_shared<SourceFile>("t", text);
  ScalarBuilder builder(file);
  std::uint32_t line = 1, column = 1;
  for (const char c : text) {
    builder.add(c, line, column++);
    if (c == '\n') ++line, column = 1;
  }
  return builder.finish(line, column);
}

// Says all of a node but its places.
inline std::string dump(const Node& node) {
  std::string out = "(" + std::to_string(static_cast<int>(node.kind));
  if (node.kind == Node::Kind::Compare) out += " op" + std::to_string(static_cast<int>(node.op));
  if (node.negated) out += " negated";
  if (node.kind == Node::Kind::Literal) {
    out += " " + std::string(kind_name(node.literal_kind)) + ":";
    if (const auto* text = node.value.get_if<std::string>()) out += log_value(*text);
    if (const auto* b = node.value.get_if<bool>()) out += *b ? "true" : "false";
    if (const auto* i = node.value.get_if<std::int64_t>()) out += std::to_string(*i);
    if (const auto* f = node.value.get_if<double>()) out += std::to_string(*f);
    if (const auto* d = node.value.get_if<Duration>()) out += std::to_string(d->count());
    if (const auto* c = node.value.get_if<ClockTime>()) out += std::to_string(c->minutes);
    if (const auto* t = node.value.get_if<TimePoint>())
      out += std::to_string(t->time_since_epoch().count());
    if (const auto* r = node.value.get_if<Rate>())
      out += std::to_string(r->count) + (r->bytes ? "B" : "") + (r->unlimited ? "*" : "") + "/" +
             std::to_string(r->period.count());
  } else if (!node.text.empty()) {
    out += " " + log_value(node.text) + (node.flags.empty() ? "" : "#" + node.flags);
  }
  for (const Node& child : node.children) out += " " + dump(child);
  return out + ")";
}

}  // namespace sluice::policy
