// Comparisons and membership: which types may stand beside each other, and how they are compared
// (LANGUAGE 9c, 9d).
#include <algorithm>

#include "policy/typecheck.h"

namespace sluice::policy {
namespace {

bool is_address(Kind kind) { return kind == Kind::Ip || kind == Kind::Cidr; }

bool is_ordered(Kind kind) {
  constexpr Kind kOrdered[] = {Kind::Int,      Kind::Float, Kind::Size,
                               Kind::Duration, Kind::Clock, Kind::Datetime};
  return std::find(std::begin(kOrdered), std::end(kOrdered), kind) != std::end(kOrdered);
}

bool is_text_or_word(Kind kind) { return is_text_like(kind) || kind == Kind::Enum; }

// What stands behind `??` in the advice for a value that may be none.
struct Filler {
  Kind kind;
  std::string_view text;
};
constexpr Filler kFillers[] = {{Kind::Int, "0"},         {Kind::Float, "0.0"},
                               {Kind::Size, "0B"},       {Kind::Duration, "0s"},
                               {Kind::Clock, "00:00"},   {Kind::Datetime, "1970-01-01T00:00Z"},
                               {Kind::Ip, "\"0.0.0.0\""}};

std::string_view filler_of(Kind kind) {
  for (const Filler& filler : kFillers)
    if (filler.kind == kind) return filler.text;
  return "...";
}

// 25MB, not its octets.
std::string as_written(const Node& node) {
  const bool plain = node.kind == Node::Kind::Literal && node.literal_kind != Kind::Text;
  return plain ? node.text : render_expression(node);
}

// The comparison with something in the place of none.
std::string with_filler(const Node& whole, const Node& operand, Kind kind) {
  constexpr std::string_view kOps[] = {" == ", " != ", " < ", " <= ", " > ", " >= "};
  std::string text;
  for (std::size_t i = 0; i < whole.children.size(); ++i) {
    const Node& child = whole.children[i];
    if (i > 0)
      text += whole.kind != Node::Kind::InRange ? kOps[static_cast<std::size_t>(whole.op)]
              : i == 1                          ? " in "
                                                : " .. ";
    if (&child == &operand)
      text.append("(").append(as_written(child)).append(" ?? ").append(filler_of(kind)).append(")");
    else
      text += as_written(child);
  }
  return text;
}

SourceSpan caret(SourceSpan span) {
  span.length = 1;
  return span;
}

}  // namespace

bool are_comparable(const Type& a, const Type& b) {
  if (a.kind == Kind::List || a.kind == Kind::Record || b.kind == Kind::List ||
      b.kind == Kind::Record)
    return false;
  if (a.kind == b.kind || (is_numeric(a.kind) && is_numeric(b.kind))) return true;
  if (!is_text_or_word(a.kind) || !is_text_or_word(b.kind)) return false;
  if (a.kind == Kind::Enum || b.kind == Kind::Enum)
    return a.kind == Kind::Text || b.kind == Kind::Text;
  return a.kind == Kind::Text || b.kind == Kind::Text;  // a domain is never an address
}

Equality equality_of(Kind a, Kind b) {
  if (is_text_or_word(a)) return Equality::Texts;
  if (is_numeric(a) || is_numeric(b)) return Equality::Numbers;
  return is_address(a) && b == Kind::Cidr ? Equality::Within : Equality::Same;
}

// Checks two operands, first the one whose type says how to read the other.
bool TypeChecker::both(const Node& a, const Node& b, Result& left, Result& right) {
  const bool waits = (a.kind == Node::Kind::Literal || is_bare_word(a)) &&
                     b.kind != Node::Kind::Literal && !is_bare_word(b);
  Result& first = waits ? right : left;
  Result& second = waits ? left : right;
  first = check(waits ? b : a, nullptr);
  const Type hint = first ? first->type : Type{};
  const bool word = is_bare_word(waits ? a : b);
  if (!first && word) return false;  // what the word means is not known
  hinted_by_ = waits ? &b : &a;
  second = check(waits ? a : b, first ? &hint : nullptr);
  return left && right;
}

// A number, duration or size in the place of another is a forgotten or mistaken unit.
bool TypeChecker::check_units(const Node& a, const Type& type_a, const Node& b,
                              const Type& type_b) {
  const auto mistaken = [this](const Node& written, const Type& is, const Type& expected) {
    if (written.kind != Node::Kind::Literal) return false;
    const std::string text = "`" + written.text + "`";
    if (expected.kind == Kind::Size && is.kind == Kind::Duration) {
      const bool plain = written.text.ends_with('m') &&
                         written.text.find_first_not_of("0123456789") == written.text.size() - 1;
      error("E211", written.span,
            plain ? text + " is a duration (m = minutes); for megabytes write " +
                        written.text.substr(0, written.text.size() - 1) + "MB"
                  : text + " is a duration; a size is written in B, kB, MB or GB");
      return true;
    }
    if (expected.kind == Kind::Duration && is.kind == Kind::Size) {
      error("E211", written.span, text + " is a size; a duration is written in ms, s, m, h or d");
      return true;
    }
    const bool needs_unit = expected.kind == Kind::Size || expected.kind == Kind::Duration ||
                            expected.kind == Kind::Rate;
    if (!needs_unit || !is_numeric(is.kind)) return false;
    const std::string advice =
        expected.kind == Kind::Size
            ? "a size is written " + written.text + "B or " + written.text + "MB"
        : expected.kind == Kind::Duration
            ? "a duration is written " + written.text + "s or " + written.text + "m"
            : "a rate is written " + written.text + "/1h";
    error("E211", written.span, text + " has no unit: " + advice);
    return true;
  };
  return !mistaken(a, type_a, type_b) && !mistaken(b, type_b, type_a);
}

bool TypeChecker::check_equality(const Node& node, const Typed& left, const Typed& right) {
  if (are_comparable(left.type, right.type)) return true;
  if (!check_units(node.children[0], left.type, node.children[1], right.type)) return false;
  const bool network = is_address(left.type.kind) && is_address(right.type.kind);
  if (network) {
    const Node& subject = node.children[left.type.kind == Kind::Ip ? 0 : 1];
    error("E210", node.op_span,
          "an address never equals a network: write `" + render_expression(subject) + " in [...]`");
  } else if (left.type.kind == Kind::List || right.type.kind == Kind::List) {
    error("E203", node.op_span,
          "cannot compare " + type_name(left.type) + " with " + type_name(right.type) +
              ": write `in` or any(...)");
  } else {
    error("E203", node.op_span,
          "cannot compare " + type_name(left.type) + " with " + type_name(right.type));
  }
  return false;
}

bool TypeChecker::check_not_none(const Node& operand, const Typed& typed, const Node& whole) {
  if (!typed.type.optional) return true;
  error("E206", operand.span,
        "`" + as_written(operand) + "` may be none, and none has no order: write `" +
            with_filler(whole, operand, typed.type.kind) + "`");
  return false;
}

bool TypeChecker::check_order(const Node& node, const Typed& left, const Typed& right) {
  if (!check_units(node.children[0], left.type, node.children[1], right.type)) return false;
  const bool same = left.type.kind == right.type.kind ||
                    (is_numeric(left.type.kind) && is_numeric(right.type.kind));
  if (!same || !is_ordered(left.type.kind)) {
    error("E203", node.op_span,
          same ? std::string(kind_name(left.type.kind)) + " has no order"
               : "cannot compare " + type_name(left.type) + " with " + type_name(right.type));
    return false;
  }
  const bool left_set = check_not_none(node.children[0], left, node);
  return check_not_none(node.children[1], right, node) && left_set;
}

TypeChecker::Result TypeChecker::comparison(const Node& node) {
  Result left, right;
  if (!both(node.children[0], node.children[1], left, right)) return std::nullopt;
  const bool equality = node.op == Node::Op::Eq || node.op == Node::Op::Ne;
  if (!(equality ? check_equality(node, *left, *right) : check_order(node, *left, *right)))
    return std::nullopt;
  const Kind a = left->type.kind, b = right->type.kind;
  Typed typed = make(equality ? Op::Equal : Op::Order, node, Type::of(Kind::Bool),
                     {std::move(*left), std::move(*right)});
  typed.node.compare = node.op;
  typed.node.flag = node.op == Node::Op::Ne;
  typed.node.how = equality_of(a, b);
  typed.node.matching = matching_of(a, b);
  return typed;
}

TypeChecker::Result TypeChecker::range(const Node& node) {
  auto subject = check(node.children[0], nullptr);
  if (!subject) return std::nullopt;
  std::vector<Typed> parts;
  parts.push_back(*subject);
  bool good = check_not_none(node.children[0], *subject, node);
  for (std::size_t i = 1; i < 3; ++i) {
    auto end = check(node.children[i], &subject->type);
    if (!end) return std::nullopt;
    good = check_not_none(node.children[i], *end, node) && good;
    const Kind a = subject->type.kind, b = end->type.kind;
    if (!check_units(node.children[0], subject->type, node.children[i], end->type))
      return std::nullopt;
    const bool fits =
        (a == b && (is_ordered(a) || a == Kind::Ip)) || (is_numeric(a) && is_numeric(b));
    if (!fits) {
      error("E203", node.op_span,
            a == b
                ? type_name(subject->type) + " has no order"
                : "cannot compare " + type_name(subject->type) + " with " + type_name(end->type));
      return std::nullopt;
    }
    parts.push_back(std::move(*end));
  }
  if (!good) return std::nullopt;
  Typed typed = make(Op::InRange, node, Type::of(Kind::Bool), std::move(parts));
  typed.node.flag = subject->type.kind == Kind::Clock || subject->type.kind == Kind::Datetime;
  typed.node.flag2 = subject->type.kind == Kind::Clock;
  if (!node.negated) return typed;
  return make(Op::Not, node, Type::of(Kind::Bool), {std::move(typed)});
}

TypeChecker::Result TypeChecker::pattern(const Node& node) {
  auto subject = check(node.children[0], nullptr);
  const auto index = c_.use_pattern(node.text, node.flags, node.pattern_span);
  if (!subject || !index) return std::nullopt;
  if (!is_text_or_word(subject->type.kind)) {
    return wrong_type(
        node.children[0], *subject,
        subject->type.kind == Kind::List ? "text: write any(..., item =~ /.../)" : "text");
  }
  Typed typed = make(Op::Matches, node, Type::of(Kind::Bool), {std::move(*subject)});
  typed.node.a = *index;
  typed.node.flag = node.negated;
  return typed;
}

// A part of a domain or an address is no domain or address itself: literals stay texts.
TypeChecker::Result TypeChecker::text_test(const Node& node) {
  Result left = check(node.children[0], nullptr), right = check(node.children[1], nullptr);
  if (!left || !right) return std::nullopt;
  if (!is_text_or_word(left->type.kind))
    return wrong_type(node.children[0], *left,
                      left->type.kind == Kind::List
                          ? "text: write `... in " + render_expression(node.children[0]) + "`"
                          : "text");
  if (!is_text_or_word(right->type.kind)) return wrong_type(node.children[1], *right, "text");
  const Op op = node.kind == Node::Kind::Contains     ? Op::Contains
                : node.kind == Node::Kind::StartsWith ? Op::StartsWith
                                                      : Op::EndsWith;
  Typed typed = make(op, node, Type::of(Kind::Bool), {std::move(*left), std::move(*right)});
  typed.node.matching = Matching::Text;
  return typed;
}

// ---- membership ----

bool TypeChecker::check_member(const Node& node, const Type& wanted, Kind element) {
  const bool in_network = is_address(wanted.kind) && element == Kind::Cidr;
  if (in_network || are_comparable(wanted, Type::of(element))) return true;
  error("E209", caret(node.op_span),
        std::string(kind_name(wanted.kind)) + " in list of " + std::string(kind_name(element)) +
            ": can never match");
  return false;
}

TypeChecker::Result TypeChecker::membership(const Node& node) {
  const Node& where = node.children[1];
  Result typed;
  const DeclaredList* list =
      where.kind == Node::Kind::List ? c_.names.list(file_, where.text) : nullptr;
  if (list)
    typed = list->types.size() > 1 ? in_pairs(node, *list) : in_list(node, *list);
  else if (where.kind == Node::Kind::Items)
    typed = in_items(node);
  else
    typed = in_value(node);
  if (!typed || !node.negated) return typed;
  return make(Op::Not, node, Type::of(Kind::Bool), {std::move(*typed)});
}

TypeChecker::Result TypeChecker::in_list(const Node& node, const DeclaredList& list) {
  const bool typed_list = !list.types.empty();
  const Type hint = Type::of(typed_list ? list.types.front() : Kind::Text);
  auto wanted = check(node.children[0], &hint);
  if (!wanted || !typed_list) return std::nullopt;
  if (!check_member(node, wanted->type, hint.kind)) return std::nullopt;
  const Matching matching = matching_of(wanted->type.kind, hint.kind);
  Typed typed = make(list.source->dynamic ? Op::InDynamic : Op::InStatic, node,
                     Type::of(Kind::Bool), {std::move(*wanted)});
  typed.node.matching = matching;
  if (list.source->dynamic)
    typed.node.a = list.dynamic;
  else if (list.content)
    typed.node.a = c_.use(list.content);
  return typed;
}

TypeChecker::Result TypeChecker::in_pairs(const Node& node, const DeclaredList& list) {
  const Node& left = node.children[0];
  if (left.kind != Node::Kind::Items || left.children.size() != list.types.size()) {
    error("E203", left.span,
          "`$" + node.children[1].text + "` holds tuples of " + std::to_string(list.types.size()) +
              " values: write `[a, b] in $" + node.children[1].text + "`");
    return std::nullopt;
  }
  std::vector<Typed> parts;
  for (std::size_t i = 0; i < list.types.size(); ++i) {
    const Type hint = Type::of(list.types[i]);
    auto part = check(left.children[i], &hint);
    if (!part || !check_member(node, part->type, list.types[i])) return std::nullopt;
    parts.push_back(std::move(*part));
  }
  Typed typed = make(Op::InTuples, node, Type::of(Kind::Bool), std::move(parts));
  if (list.content) typed.node.a = c_.use(list.content);
  return typed;
}

TypeChecker::Result TypeChecker::in_items(const Node& node) {
  auto wanted = check(node.children[0], nullptr);
  if (!wanted) return std::nullopt;
  const Type subject = wanted->type;
  const Type hint = subject.kind == Kind::Ip ? Type::of(Kind::Cidr) : subject;
  std::vector<Typed> parts;
  parts.push_back(std::move(*wanted));
  Equality how = Equality::Same;
  Matching matching = Matching::Exact;
  for (const Node& child : node.children[1].children) {
    hinted_by_ = &node.children[0];
    auto item = check(child, &hint);
    if (!item || !check_units(node.children[0], subject, child, item->type)) return std::nullopt;
    if (!check_member(node, subject, item->type.kind)) return std::nullopt;
    const Equality needed = equality_of(subject.kind, item->type.kind);
    if (needed != Equality::Same) how = needed;
    matching = std::max(matching, matching_of(subject.kind, item->type.kind));
    parts.push_back(std::move(*item));
  }
  Typed typed = make(Op::InItems, node, Type::of(Kind::Bool), std::move(parts));
  typed.node.how = how;
  typed.node.matching = matching;
  return typed;
}

// In a fact that is a list, in a table's value, in a network.
TypeChecker::Result TypeChecker::in_value(const Node& node) {
  const bool waits = node.children[0].kind == Node::Kind::Literal || is_bare_word(node.children[0]);
  Result wanted, where;
  if (!waits) wanted = check(node.children[0], nullptr);
  if (!waits && !wanted) return std::nullopt;
  const Type network = Type::of(Kind::Cidr);
  where = check(node.children[1], wanted && is_address(wanted->type.kind) ? &network : nullptr);
  if (!where) return std::nullopt;
  Type element = Type::of(where->type.kind == Kind::List ? where->type.element : where->type.kind);
  element.words = where->type.words;
  if (waits) wanted = check(node.children[0], &element);
  if (!wanted) return std::nullopt;
  const bool in_network = where->type.kind == Kind::Cidr && is_address(wanted->type.kind);
  if ((where->type.kind != Kind::List || where->type.record) && !in_network) {
    const bool texts = is_text_like(wanted->type.kind) && is_text_like(where->type.kind);
    return wrong_type(node.children[1], *where,
                      texts ? "a list: for a part of a text write `contains`" : "a list");
  }
  if (!where->empty_list && !check_member(node, wanted->type, element.kind)) return std::nullopt;
  Typed typed = make(in_network ? Op::InItems : Op::InValues, node, Type::of(Kind::Bool), {});
  typed.node.how = equality_of(wanted->type.kind, element.kind);
  typed.node.matching = matching_of(wanted->type.kind, element.kind);
  typed.children.push_back(std::move(*wanted));
  typed.children.push_back(std::move(*where));
  return typed;
}

TypeChecker::Result TypeChecker::under_list(const Node& node, const Typed& left,
                                            const DeclaredList& list) {
  if (list.types.size() != 1 || list.source->dynamic ||
      (list.types.front() != Kind::Domain && list.types.front() != Kind::Text)) {
    error("E203", node.op_span, "`under` needs a list of domain with items or a file");
    return std::nullopt;
  }
  Typed typed = make(Op::UnderStatic, node, Type::of(Kind::Bool), {left});
  if (list.content) typed.node.a = c_.use(list.content);
  return typed;
}

TypeChecker::Result TypeChecker::under(const Node& node) {
  const Type domain = Type::of(Kind::Domain);
  const Node& where = node.children[1];
  auto left = check(node.children[0], &domain);
  if (!left) return std::nullopt;
  if (left->type.kind != Kind::Domain && left->type.kind != Kind::Text)
    return wrong_type(
        node.children[0], *left,
        is_address(left->type.kind) ? "a domain: for networks write `in`" : "a domain");
  Result typed;
  const DeclaredList* list =
      where.kind == Node::Kind::List ? c_.names.list(file_, where.text) : nullptr;
  if (list) {
    typed = under_list(node, *left, *list);
  } else {
    auto parent = check(where, &domain);
    if (!parent) return std::nullopt;
    const Kind kind = parent->type.kind == Kind::List ? parent->type.element : parent->type.kind;
    if (kind != Kind::Domain && kind != Kind::Text && !parent->empty_list)
      return wrong_type(where, *parent, "a domain");
    typed = make(parent->type.kind == Kind::List ? Op::UnderValues : Op::Under, node,
                 Type::of(Kind::Bool), {*left, *parent});
    typed->node.matching = Matching::Domain;
  }
  if (!typed || !node.negated) return typed;
  return make(Op::Not, node, Type::of(Kind::Bool), {std::move(*typed)});
}

}  // namespace sluice::policy
