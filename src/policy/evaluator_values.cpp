// The half of Evaluator that makes values: quantifiers over elements, look-ups and functions.
#include <algorithm>

#include "base/utf8.h"
#include "mail/address.h"
#include "policy/evaluator.h"

namespace sluice::policy {
namespace {

constexpr TruthOutcome kTrue = outcome_of(Truth::True);
constexpr TruthOutcome kFalse = outcome_of(Truth::False);
constexpr TruthOutcome kPending = outcome_of(Truth::Pending);

std::int64_t code_points(std::string_view text) {
  std::int64_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++count)
    at += std::max<std::size_t>(decode_utf8(text, at).length, 1);
  return count;
}

}  // namespace

// ---- elements ----

template <class Each>
bool Evaluator::for_each_element(const CodeNode& node, TruthOutcome& outcome, Each each) {
  if (node.flag) {  // the recipients
    const std::uint32_t outside = recipient_;
    const std::uint32_t count = source_.recipient_count();
    for (std::uint32_t i = 0; i < count; ++i) {
      recipient_ = i;
      if (!each()) break;
    }
    recipient_ = outside;
    return true;
  }
  Value own;
  const Value* list = value(operand(node, 1), own);
  if (!list)
    outcome = kPending;
  else if (list->is_unknown())
    outcome = unknown(*list);
  if (!list || list->is_unknown()) return false;
  const auto* items = list->get_if<ValuesPtr>();
  if (!items) return true;
  for (const Value& item : **items) {
    elements_[node.b] = &item;
    if (!each()) break;
  }
  return true;
}

TruthOutcome Evaluator::quantifier(const CodeNode& node, Truth stops) {
  TruthOutcome result = stops == Truth::True ? kFalse : kTrue;
  TruthOutcome stopped = kPending, missing;
  bool pending = false;
  const bool there = for_each_element(node, missing, [&] {
    const TruthOutcome outcome = truth(operand(node, 0));
    if (outcome.truth == stops) stopped = outcome;
    if (outcome.truth == Truth::Pending) pending = true;
    if (outcome.truth == Truth::Unknown && result.truth != Truth::Unknown) result = outcome;
    return outcome.truth != stops;
  });
  if (!there) return missing;
  if (stopped.truth == stops) return stopped;
  return pending ? kPending : result;
}

const Value* Evaluator::count(const CodeNode& node, Value& own) {
  std::int64_t found = 0;
  TruthOutcome missing, uncertain = kTrue;
  bool pending = false;
  const bool there = for_each_element(node, missing, [&] {
    const TruthOutcome outcome = truth(operand(node, 0));
    found += outcome.truth == Truth::True ? 1 : 0;
    if (outcome.truth == Truth::Pending) pending = true;
    if (outcome.truth == Truth::Unknown && uncertain.truth == Truth::True) uncertain = outcome;
    return true;
  });
  if (!there) uncertain = missing;
  if (pending || uncertain.truth == Truth::Pending) return nullptr;
  own = Value(found);
  if (uncertain.truth == Truth::Unknown) {
    unknown_name_ = uncertain.unknown_fact;
    own = Unknown{uncertain.reason};
  }
  return &own;
}

bool Evaluator::visit_seen(const SeenSite& site, std::size_t depth,
                           const Program::SeenVisitor& visit) {
  bool there = true;
  TruthOutcome outcome;
  if (depth < site.around.size()) {
    const bool listed = for_each_element(code_.nodes[site.around[depth]], outcome, [&] {
      there = visit_seen(site, depth + 1, visit) && there;
      return true;
    });
    return listed ? there : outcome.truth == Truth::Unknown;
  }
  const CodeNode& node = code_.nodes[site.node];
  Values parts;
  if (!gather(node, 0, node.count, parts, outcome)) return outcome.truth == Truth::Unknown;
  const Duration within = parts.back().get<Duration>();
  parts.pop_back();
  visit(parts, within);
  return true;
}

// ---- values ----

const Value* Evaluator::fact(const CodeNode& node) {
  const Value* found =
      source_.fact(static_cast<FactIndex>(node.a), node.flag ? recipient_ : FactSource::kNoElement);
  unknown_name_ = facts_[node.a].signature.name;
  return found;
}

const Value* Evaluator::lookup(const CodeNode& node, Value& own) {
  Value own_key;
  const Value* key = value(operand(node, 0), own_key);
  if (!key) return nullptr;
  if (!key->is_set()) {
    own = *key;
    return &own;
  }
  if (const Value* found = code_.tables[node.a]->find(*key, node.matching)) return found;
  own = None{};
  return &own;
}

const Value* Evaluator::otherwise(const CodeNode& node, Value& own) {
  const Value* found = nullptr;
  for (std::size_t i = 0; i < node.count; ++i) {
    found = value(operand(node, i), own);
    if (!found || !found->is_none()) return found;
  }
  return found;
}

const Value* Evaluator::known_or(const CodeNode& node, Value& own) {
  const Value* found = value(operand(node, 0), own);
  if (!found || found->is_set()) return found;
  return value(operand(node, 1), own);
}

const Value* Evaluator::header(const CodeNode& node) {
  const Value* found = source_.header(code_.strings[node.a]);
  unknown_name_ = code_.strings[node.b];
  return found;
}

const Value* Evaluator::strip_tag(const CodeNode& node, Value& own) {
  const Value* address = value(operand(node, 0), own);
  const auto* text = address ? address->get_if<std::string>() : nullptr;
  if (!text) return address;
  own = mail::strip_tag(*text, code_.delimiters);
  return &own;
}

const Value* Evaluator::length(const CodeNode& node, Value& own) {
  const Value* subject = value(operand(node, 0), own);
  if (!subject || !subject->is_set()) return subject;
  if (const Value* missing = unknown_part(*subject)) {
    own = Value(*missing);
    return &own;
  }
  const auto* list = subject->get_if<ValuesPtr>();
  const auto* text = subject->get_if<std::string>();
  std::int64_t count = 0;
  if (list)
    count = static_cast<std::int64_t>((*list)->size());
  else if (text)
    count = code_points(*text);
  own = Value(count);
  return &own;
}

const Value* Evaluator::age(const CodeNode& node, Value& own) {
  const Value* since = value(operand(node, 0), own);
  if (!since || !since->is_set()) return since;
  const Value* now = source_.fact(code_.now, FactSource::kNoElement);
  if (!now || !now->is_set()) {
    unknown_name_ = facts_[code_.now].signature.name;
    return now;
  }
  own = Value(now->get<TimePoint>() - since->get<TimePoint>());
  return &own;
}

const Value* Evaluator::list_of(const CodeNode& node, Value& own) {
  Values parts;
  TruthOutcome outcome;
  const bool known = gather(node, 0, node.count, parts, outcome);
  if (outcome.truth == Truth::Pending) return nullptr;
  if (known) {
    own = Value::list(std::move(parts));
  } else {
    unknown_name_ = outcome.unknown_fact;
    own = Unknown{outcome.reason};
  }
  return &own;
}

}  // namespace sluice::policy
