#include "policy/evaluator.h"

#include <algorithm>
#include <compare>

#include "base/text.h"
#include "mail/domain.h"

namespace sluice::policy {
namespace {

constexpr TruthOutcome kTrue = outcome_of(Truth::True);
constexpr TruthOutcome kFalse = outcome_of(Truth::False);
constexpr TruthOutcome kPending = outcome_of(Truth::Pending);

TruthOutcome decided(bool truth) { return truth ? kTrue : kFalse; }

std::optional<double> as_number(const Value& value) {
  if (const auto* i = value.get_if<std::int64_t>()) return static_cast<double>(*i);
  if (const auto* d = value.get_if<double>()) return *d;
  return std::nullopt;
}

template <class T>
bool compare_as(const Value& a, const Value& b, std::partial_ordering& order) {
  const T* left = a.get_if<T>();
  const T* right = b.get_if<T>();
  if (!left || !right) return false;
  order = *left <=> *right;
  return true;
}

std::partial_ordering compare(const Value& a, const Value& b) {
  std::partial_ordering order = std::partial_ordering::unordered;
  if (compare_as<std::int64_t>(a, b, order) || compare_as<Duration>(a, b, order) ||
      compare_as<TimePoint>(a, b, order) || compare_as<ClockTime>(a, b, order) ||
      compare_as<IpAddress>(a, b, order))
    return order;
  const auto left = as_number(a), right = as_number(b);
  return left && right ? *left <=> *right : std::partial_ordering::unordered;
}

bool holds(Node::Op op, std::partial_ordering order) {
  switch (op) {
    case Node::Op::Lt:
      return order < 0;
    case Node::Op::Le:
      return order <= 0;
    case Node::Op::Gt:
      return order > 0;
    case Node::Op::Ge:
      return order >= 0;
    case Node::Op::Eq:
      return order == 0;
    case Node::Op::Ne:
      return order != 0;
  }
  return false;
}

bool text_holds(Op op, std::string_view text, std::string_view part) {
  switch (op) {
    case Op::Contains:
      return text.find(part) != std::string_view::npos;
    case Op::StartsWith:
      return text.starts_with(part);
    case Op::EndsWith:
      return text.ends_with(part);
    default:
      return mail::is_under(text, part);
  }
}

}  // namespace

const Value* unknown_part(const Value& value) {
  if (value.is_unknown()) return &value;
  const auto* list = value.get_if<ValuesPtr>();
  if (list == nullptr || !*list) return nullptr;
  const auto at = std::find_if((*list)->begin(), (*list)->end(),
                               [](const Value& item) { return item.is_unknown(); });
  return at == (*list)->end() ? nullptr : &*at;
}

TruthOutcome Evaluator::unknown(const Value& value) const {
  return {Truth::Unknown, value.reason(), unknown_name_};
}

// A bool that is none is no reason to act: false.
TruthOutcome Evaluator::of_value(const Value* value) const {
  if (!value) return kPending;
  if (value->is_unknown()) return unknown(*value);
  const bool* truth = value->get_if<bool>();
  return decided(truth && *truth);
}

TruthOutcome Evaluator::truth(NodeId id) {
  const CodeNode& node = code_.nodes[id];
  switch (node.op) {
    case Op::And:
      return conjunction(node, Truth::False);
    case Op::Or:
      return conjunction(node, Truth::True);
    case Op::Not:
      return negation(node);
    case Op::Equal:
      return equal(node);
    case Op::Order:
      return order(node);
    case Op::InRange:
      return in_range(node);
    case Op::Matches:
      return matches_pattern(node);
    case Op::InStatic:
    case Op::UnderStatic:
      return in_static(node);
    case Op::InTuples:
      return in_tuples(node);
    case Op::InDynamic:
      return in_dynamic(node);
    case Op::InValues:
    case Op::UnderValues:
      return in_values(node);
    case Op::InItems:
      return in_items(node);
    case Op::Under:
    case Op::Contains:
    case Op::StartsWith:
    case Op::EndsWith:
      return text_test(node);
    case Op::IsSet:
      return is_set(node);
    case Op::IsKnown:
      return is_known(node);
    case Op::Seen:
      return seen(node);
    case Op::Any:
      return quantifier(node, Truth::True);
    case Op::All:
      return quantifier(node, Truth::False);
    default:
      break;
  }
  Value own;
  return of_value(value(id, own));
}

const Value* Evaluator::value(NodeId id, Value& own) {
  const CodeNode& node = code_.nodes[id];
  switch (node.op) {
    case Op::Constant:
      return &code_.constants[node.a];
    case Op::Fact:
      return fact(node);
    case Op::Field: {
      unknown_name_ = code_.strings[node.first];
      const auto* record = elements_[node.a]->get_if<ValuesPtr>();
      return record ? &(**record)[node.b] : elements_[node.a];
    }
    case Op::Item:
      unknown_name_ = code_.strings[node.first];
      return elements_[node.a];
    case Op::Lookup:
      return lookup(node, own);
    case Op::Else:
      return otherwise(node, own);
    case Op::KnownOr:
      return known_or(node, own);
    case Op::Count:
      return count(node, own);
    case Op::Header:
      return header(node);
    case Op::StripTag:
      return strip_tag(node, own);
    case Op::Len:
      return length(node, own);
    case Op::Age:
      return age(node, own);
    case Op::ListOf:
      return list_of(node, own);
    default:
      break;
  }
  const TruthOutcome outcome = truth(id);
  if (outcome.truth == Truth::Pending) return nullptr;
  if (outcome.truth == Truth::Unknown) {
    unknown_name_ = outcome.unknown_fact;
    own = Unknown{outcome.reason};
  } else {
    own = outcome.truth == Truth::True;
  }
  return &own;
}

// ---- logic ----

// `and` stops at the first false, `or` at the first true; all operands are asked until then.
TruthOutcome Evaluator::conjunction(const CodeNode& node, Truth stops) {
  TruthOutcome result = stops == Truth::False ? kTrue : kFalse;
  bool pending = false;
  for (std::size_t i = 0; i < node.count; ++i) {
    const TruthOutcome outcome = truth(operand(node, i));
    if (outcome.truth == stops) return outcome;
    if (outcome.truth == Truth::Pending) pending = true;
    if (outcome.truth == Truth::Unknown && result.truth != Truth::Unknown) result = outcome;
  }
  return pending ? kPending : result;
}

TruthOutcome Evaluator::negation(const CodeNode& node) {
  TruthOutcome outcome = truth(operand(node, 0));
  if (outcome.truth == Truth::True) return kFalse;
  if (outcome.truth == Truth::False) return kTrue;
  return outcome;
}

// ---- comparisons ----

bool Evaluator::same(const Value& a, const Value& b, const CodeNode& node) const {
  if (!a.is_set() || !b.is_set()) return a.is_none() && b.is_none();
  switch (node.how) {
    case Equality::Same:
      return a == b;
    case Equality::Numbers:
      return compare(a, b) == 0;
    case Equality::Texts: {
      const auto* left = a.get_if<std::string>();
      const auto* right = b.get_if<std::string>();
      return left && right ? matches(*left, *right, node.matching, code_.fold_local_part) : a == b;
    }
    case Equality::Within: {
      const auto* network = b.get_if<Network>();
      if (!network) return a == b;
      if (const auto* ip = a.get_if<IpAddress>()) return network->contains(*ip);
      const auto* inner = a.get_if<Network>();
      return inner && network->contains(*inner);
    }
  }
  return false;
}

bool Evaluator::gather(const CodeNode& node, std::size_t from, std::size_t to, Values& parts,
                       TruthOutcome& outcome) {
  bool pending = false;
  outcome = kTrue;
  for (std::size_t i = from; i < to; ++i) {
    Value own;
    const Value* part = value(operand(node, i), own);
    if (!part) {
      pending = true;
      continue;
    }
    if (part->is_unknown() && outcome.truth == Truth::True) outcome = unknown(*part);
    parts.push_back(part == &own ? std::move(own) : *part);
  }
  if (pending) outcome = kPending;
  return outcome.truth == Truth::True;
}

TruthOutcome Evaluator::equal(const CodeNode& node) {
  Value own_left, own_right;
  const Value* left = value(operand(node, 0), own_left);
  if (left && left->is_unknown()) return unknown(*left);
  const Value* right = value(operand(node, 1), own_right);
  if (!left || !right) return kPending;
  if (right->is_unknown()) return unknown(*right);
  return decided(same(*left, *right, node) != node.flag);
}

// An order with none is false; the type check keeps it from happening where it could mislead.
TruthOutcome Evaluator::order(const CodeNode& node) {
  Value own_left, own_right;
  const Value* left = value(operand(node, 0), own_left);
  if (left && left->is_unknown()) return unknown(*left);
  const Value* right = value(operand(node, 1), own_right);
  if (!left || !right) return kPending;
  if (right->is_unknown()) return unknown(*right);
  return decided(left->is_set() && right->is_set() && holds(node.compare, compare(*left, *right)));
}

TruthOutcome Evaluator::in_range(const CodeNode& node) {
  Value own[3];
  const Value* at[3];
  bool pending = false;
  for (std::size_t i = 0; i < 3; ++i) {
    at[i] = value(operand(node, i), own[i]);
    if (!at[i])
      pending = true;
    else if (at[i]->is_unknown() && !pending)
      return unknown(*at[i]);
  }
  if (pending) return kPending;
  if (!at[0]->is_set() || !at[1]->is_set() || !at[2]->is_set()) return kFalse;
  const bool after_start = compare(*at[0], *at[1]) >= 0;
  const auto to_end = compare(*at[0], *at[2]);
  const bool before_end = node.flag ? to_end < 0 : to_end <= 0;
  const bool wraps = node.flag2 && compare(*at[1], *at[2]) > 0;
  return decided(wraps ? after_start || before_end : after_start && before_end);
}

TruthOutcome Evaluator::text_test(const CodeNode& node) {
  Value own_left, own_right;
  const Value* left = value(operand(node, 0), own_left);
  if (left && left->is_unknown()) return unknown(*left);
  const Value* right = value(operand(node, 1), own_right);
  if (!left || !right) return kPending;
  if (right->is_unknown()) return unknown(*right);
  const auto* text = left->get_if<std::string>();
  const auto* part = right->get_if<std::string>();
  if (!text || !part) return kFalse;
  const auto a = matching_key(*text, node.matching, code_.fold_local_part, scratch_);
  const auto b = matching_key(*part, node.matching, code_.fold_local_part, scratch2_);
  return decided(text_holds(node.op, a, b));
}

TruthOutcome Evaluator::matches_pattern(const CodeNode& node) {
  Value own;
  const Value* subject = value(operand(node, 0), own);
  if (!subject) return kPending;
  if (subject->is_unknown()) return unknown(*subject);
  const auto* text = subject->get_if<std::string>();
  return decided((text && re2::RE2::PartialMatch(*text, *code_.patterns[node.a])) != node.flag);
}

// ---- membership ----

TruthOutcome Evaluator::in_static(const CodeNode& node) {
  Value own;
  const Value* wanted = value(operand(node, 0), own);
  if (!wanted) return kPending;
  if (wanted->is_unknown()) return unknown(*wanted);
  if (wanted->is_none()) return kFalse;
  const StaticList& list = *code_.lists[node.a];
  if (node.op == Op::InStatic) return decided(list.contains(*wanted, node.matching));
  const auto* domain = wanted->get_if<std::string>();
  return decided(domain && list.contains_parent(*domain));
}

TruthOutcome Evaluator::in_tuples(const CodeNode& node) {
  Values parts;
  TruthOutcome outcome;
  if (!gather(node, 0, node.count, parts, outcome)) return outcome;
  std::vector<const Value*> pointers;
  for (const Value& part : parts) {
    if (part.is_none()) return kFalse;
    pointers.push_back(&part);
  }
  return decided(code_.lists[node.a]->contains_tuple(pointers));
}

TruthOutcome Evaluator::in_dynamic(const CodeNode& node) {
  Value own;
  const Value* wanted = value(operand(node, 0), own);
  if (!wanted) return kPending;
  if (wanted->is_unknown()) return unknown(*wanted);
  if (wanted->is_none()) return kFalse;
  const Value* found = source_.contains(node.a, *wanted);
  unknown_name_ = code_.dynamic_names[node.a];
  return of_value(found);
}

// In a list value, or under one of its domains. An element that is unknown may be the one that is
// looked for.
TruthOutcome Evaluator::in_values(const CodeNode& node) {
  Value own_wanted, own_list;
  const Value* wanted = value(operand(node, 0), own_wanted);
  if (wanted && wanted->is_unknown()) return unknown(*wanted);
  const Value* list = value(operand(node, 1), own_list);
  if (!wanted || !list) return kPending;
  if (list->is_unknown()) return unknown(*list);
  const auto* items = list->get_if<ValuesPtr>();
  if (wanted->is_none() || !items) return kFalse;
  TruthOutcome result = kFalse;
  for (const Value& item : **items) {
    if (item.is_unknown())
      result = unknown(item);
    else if (node.op == Op::InValues && item.is_set() && same(*wanted, item, node))
      return kTrue;
    if (node.op == Op::InValues || !item.is_set()) continue;
    const auto a =
        matching_key(wanted->get<std::string>(), node.matching, code_.fold_local_part, scratch_);
    const auto b =
        matching_key(item.get<std::string>(), node.matching, code_.fold_local_part, scratch2_);
    if (mail::is_under(a, b)) return kTrue;
  }
  return result;
}

// `x in [a, b]` is `x == a or x == b`.
TruthOutcome Evaluator::in_items(const CodeNode& node) {
  Value own_wanted;
  const Value* wanted = value(operand(node, 0), own_wanted);
  if (wanted && wanted->is_unknown()) return unknown(*wanted);
  TruthOutcome result = kFalse;
  bool pending = !wanted;
  for (std::size_t i = 1; i < node.count; ++i) {
    Value own;
    const Value* item = value(operand(node, i), own);
    if (!item)
      pending = true;
    else if (item->is_unknown())
      result = result.truth == Truth::Unknown ? result : unknown(*item);
    else if (wanted && same(*wanted, *item, node))
      return kTrue;
  }
  return pending ? kPending : result;
}

// ---- states ----

TruthOutcome Evaluator::is_set(const CodeNode& node) {
  Value own;
  const Value* subject = value(operand(node, 0), own);
  if (!subject) return kPending;
  if (subject->is_unknown()) return unknown(*subject);
  return decided(subject->is_set() != node.flag);
}

TruthOutcome Evaluator::is_known(const CodeNode& node) {
  Value own;
  const Value* subject = value(operand(node, 0), own);
  if (!subject) return kPending;
  return decided((unknown_part(*subject) != nullptr) == node.flag);
}

TruthOutcome Evaluator::seen(const CodeNode& node) {
  Values parts;
  TruthOutcome outcome;
  if (!gather(node, 0, node.count, parts, outcome)) return outcome;
  const Duration within = parts.back().get<Duration>();
  parts.pop_back();
  const Value* found = source_.seen(node.a, parts, within);
  unknown_name_ = "seen";
  return of_value(found);
}

}  // namespace sluice::policy
