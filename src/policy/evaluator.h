// Evaluator: one pass over an expression with the facts that are there (Kleene logic, LANGUAGE 5).
// Pure: same facts, same result. What is pending is asked for on the way, so that one pass notes
// all that can still change the result. Private to policy/; one evaluation each.
#pragma once
#include <array>

#include "policy/code.h"

namespace sluice::policy {

constexpr TruthOutcome outcome_of(Truth truth) {
  TruthOutcome outcome;
  outcome.truth = truth;
  return outcome;
}

// Itself when unknown; of a list the first element that is: what is asked about the list may then
// depend on it. nullptr: all is known.
const Value* unknown_part(const Value& value);

class Evaluator {
 public:
  Evaluator(const Code& code, const std::vector<UsedFact>& facts, FactSource& source,
            std::uint32_t recipient)
      : code_(code), facts_(facts), source_(source), recipient_(recipient) {}

  TruthOutcome truth(NodeId node);
  // Points at what is there already, or at `own`, which then holds the value. nullptr: pending.
  const Value* value(NodeId node, Value& own);

  // Visits every combination of elements of the quantifiers around a seen() call. False: something
  // is pending.
  bool visit_seen(const SeenSite& site, std::size_t depth, const Program::SeenVisitor& visit);

 private:
  TruthOutcome unknown(const Value& value) const;
  TruthOutcome of_value(const Value* value) const;

  TruthOutcome conjunction(const CodeNode& node, Truth stops);
  TruthOutcome negation(const CodeNode& node);
  TruthOutcome equal(const CodeNode& node);
  TruthOutcome order(const CodeNode& node);
  TruthOutcome in_range(const CodeNode& node);
  TruthOutcome in_static(const CodeNode& node);
  TruthOutcome in_tuples(const CodeNode& node);
  TruthOutcome in_dynamic(const CodeNode& node);
  TruthOutcome in_values(const CodeNode& node);
  TruthOutcome in_items(const CodeNode& node);
  TruthOutcome text_test(const CodeNode& node);
  TruthOutcome matches_pattern(const CodeNode& node);
  TruthOutcome is_set(const CodeNode& node);
  TruthOutcome is_known(const CodeNode& node);
  TruthOutcome seen(const CodeNode& node);
  TruthOutcome quantifier(const CodeNode& node, Truth stops);

  const Value* fact(const CodeNode& node);
  const Value* lookup(const CodeNode& node, Value& own);
  const Value* otherwise(const CodeNode& node, Value& own);
  const Value* known_or(const CodeNode& node, Value& own);
  const Value* count(const CodeNode& node, Value& own);
  const Value* header(const CodeNode& node);
  const Value* strip_tag(const CodeNode& node, Value& own);
  const Value* length(const CodeNode& node, Value& own);
  const Value* age(const CodeNode& node, Value& own);
  const Value* list_of(const CodeNode& node, Value& own);

  bool same(const Value& a, const Value& b, const CodeNode& node) const;
  // Values of operands [from, to) into `parts`. True unless one is pending (all are asked) or
  // unknown (`outcome` says).
  bool gather(const CodeNode& node, std::size_t from, std::size_t to, Values& parts,
              TruthOutcome& outcome);
  // Runs `each` for every element of a quantifier, with the element in place; stops when it returns
  // false. False: the collection is pending or unknown (`outcome` says which).
  template <class Each>
  bool for_each_element(const CodeNode& node, TruthOutcome& outcome, Each each);

  NodeId operand(const CodeNode& node, std::size_t i) const {
    return code_.operands[node.first + i];
  }

  const Code& code_;
  const std::vector<UsedFact>& facts_;
  FactSource& source_;
  std::uint32_t recipient_;
  std::array<const Value*, kMaxNesting> elements_{};
  std::size_t nesting_ = 0;
  std::string_view unknown_name_;  // of the value found unknown last
  std::string scratch_, scratch2_;
};

}  // namespace sluice::policy
