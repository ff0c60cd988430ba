#include "policy/ast.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace sluice::policy {
namespace {

// How tightly a node binds; an operand that binds less tightly than its place asks needs
// parentheses.
enum class Binding : std::uint8_t { Chain, Not, Relation, Else, Primary };

struct Form {
  Node::Kind kind;
  Binding binding;
  std::string_view word;
};
constexpr std::array<Form, 19> kForms{{{Node::Kind::Literal, Binding::Primary, ""},
                                       {Node::Kind::Name, Binding::Primary, ""},
                                       {Node::Kind::List, Binding::Primary, ""},
                                       {Node::Kind::Lookup, Binding::Primary, ""},
                                       {Node::Kind::Items, Binding::Primary, ""},
                                       {Node::Kind::Quantifier, Binding::Primary, ""},
                                       {Node::Kind::Call, Binding::Primary, ""},
                                       {Node::Kind::And, Binding::Chain, "and"},
                                       {Node::Kind::Or, Binding::Chain, "or"},
                                       {Node::Kind::Not, Binding::Not, "not"},
                                       {Node::Kind::Compare, Binding::Relation, ""},
                                       {Node::Kind::Matches, Binding::Relation, ""},
                                       {Node::Kind::In, Binding::Relation, "in"},
                                       {Node::Kind::InRange, Binding::Relation, "in"},
                                       {Node::Kind::Under, Binding::Relation, "under"},
                                       {Node::Kind::Contains, Binding::Relation, "contains"},
                                       {Node::Kind::StartsWith, Binding::Relation, "starts_with"},
                                       {Node::Kind::EndsWith, Binding::Relation, "ends_with"},
                                       {Node::Kind::Is, Binding::Relation, "is"}}};

Form form_of(Node::Kind kind) {
  const auto form =
      std::find_if(kForms.begin(), kForms.end(), [kind](const Form& f) { return f.kind == kind; });
  return form == kForms.end() ? Form{kind, Binding::Else, "??"} : *form;
}

constexpr std::array<std::string_view, 6> kOps{"==", "!=", "<", "<=", ">", ">="};

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    constexpr std::string_view kMeant = "\"\\\n\t\r", kEscapes = "\"\\ntr";
    const std::size_t which = kMeant.find(c);
    if (which != std::string_view::npos) out += '\\';
    out += which == std::string_view::npos ? c : kEscapes[which];
  }
  return out + '"';
}

std::string number(double value) {
  std::array<char, 400> buffer{};
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed)
          .ptr;
  std::string text(buffer.data(), end);
  return text.find('.') == std::string::npos ? text + ".0" : text;
}

// Exact, in the largest unit that leaves no rest.
std::string size(std::int64_t bytes) {
  constexpr std::array<std::string_view, 4> kUnits{"B", "kB", "MB", "GB"};
  std::size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < kUnits.size()) bytes /= 1024, ++unit;
  return std::to_string(bytes).append(kUnits[unit]);
}

std::string rate(const Rate& r) {
  if (r.unlimited) return "unlimited";
  return (r.bytes ? size(r.count) : std::to_string(r.count)) + '/' + render_duration(r.period);
}

std::string literal(const Node& node) {
  const Value& v = node.value;
  switch (node.literal_kind) {
    case Kind::Text:
      return quoted(v.get<std::string>());
    case Kind::Bool:
      return v.get<bool>() ? "true" : "false";
    case Kind::Int:
      return std::to_string(v.get<std::int64_t>());
    case Kind::Size:
      return size(v.get<std::int64_t>());
    case Kind::Float:
      return number(v.get<double>());
    case Kind::Duration:
      return render_duration(v.get<Duration>());
    case Kind::Rate:
      return rate(v.get<Rate>());
    case Kind::Clock:
      return fmt::format("{:02}:{:02}", v.get<ClockTime>().minutes / 60,
                         v.get<ClockTime>().minutes % 60);
    case Kind::Datetime:
      return render_datetime(v.get<TimePoint>());
    default:
      return node.text;
  }
}

std::string pattern(const Node& node) {
  std::string out = "/";
  for (const char c : node.text) out.append(c == '/' ? "\\" : "").push_back(c);
  return out + '/' + node.flags;
}

std::string render_at(const Node& node, Binding place);

std::string joined(const Node& node, std::size_t first, std::string_view separator, Binding place) {
  std::string out;
  for (std::size_t i = first; i < node.children.size(); ++i) {
    if (i > first) out += separator;
    out += render_at(node.children[i], place);
  }
  return out;
}

std::string relation(const Node& node, std::string_view word) {
  const std::string left = render_at(node.children[0], Binding::Primary);
  const std::string_view negation = node.negated ? "not " : "";
  switch (node.kind) {
    case Node::Kind::Compare:
      return left + ' ' + std::string(kOps[static_cast<std::size_t>(node.op)]) + ' ' +
             render_at(node.children[1], Binding::Primary);
    case Node::Kind::Matches:
      return left + (node.negated ? " !~ " : " =~ ") + pattern(node);
    case Node::Kind::Is:
      return fmt::format("{} is {}{}", left, negation, node.text);
    default:
      return fmt::format("{} {}{} {}", left, negation, word,
                         joined(node, 1, " .. ", Binding::Primary));
  }
}

std::string render_bare(const Node& node, const Form& form) {
  switch (node.kind) {
    case Node::Kind::Literal:
      return literal(node);
    case Node::Kind::Name:
      return node.text;
    case Node::Kind::List:
      return '$' + node.text;
    case Node::Kind::Lookup:
      return fmt::format("${}[{}]", node.text, joined(node, 0, "", Binding::Else));
    case Node::Kind::Items:
      return '[' + joined(node, 0, ", ", Binding::Else) + ']';
    case Node::Kind::Call:
      return fmt::format("{}({})", node.text, joined(node, 0, ", ", Binding::Else));
    case Node::Kind::Quantifier:
      return fmt::format("{}({}, {})", node.text, node.children[0].text,
                         render_at(node.children[1], Binding::Chain));
    case Node::Kind::And:
    case Node::Kind::Or:
      return joined(node, 0, fmt::format(" {} ", form.word), Binding::Not);
    case Node::Kind::Not:
      return "not " + render_at(node.children[0], Binding::Not);
    case Node::Kind::Else:
      return joined(node, 0, " ?? ", Binding::Primary);
    default:
      return relation(node, form.word);
  }
}

std::string render_at(const Node& node, Binding place) {
  const Form form = form_of(node.kind);
  const std::string bare = render_bare(node, form);
  return form.binding < place ? '(' + bare + ')' : bare;
}

}  // namespace

std::string render_expression(const Node& node) { return render_at(node, Binding::Chain); }

}  // namespace sluice::policy
