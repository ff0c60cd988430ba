// TypeChecker: resolves the names of one expression and checks types, stages and optional values
// (E202 to E302 of LANGUAGE 13). Every error is reported; the result is empty when there was one.
// Private to policy/.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "policy/compilation.h"
#include "policy/narrowing.h"
#include "policy/typed.h"

namespace sluice::policy {

// Where an expression stands.
struct Place {
  std::size_t file = 0;              // whose lets and lists it sees
  std::optional<mail::Stage> stage;  // empty: any (a let that no rule uses)
  bool recipient = false;            // one recipient is at hand: stage rcpt, for_each: rcpt
  bool text = false;                 // a template: E405 in place of E301
};

class TypeChecker {
 public:
  TypeChecker(Compilation& compilation, Place place, const Narrowing& narrowing)
      : c_(compilation), place_(place), narrowing_(narrowing), file_(place.file) {}

  // A bool.
  std::optional<Typed> condition(const Node& node);
  // Any value; a literal text or an enum's word is read as `hint` says.
  std::optional<Typed> value(const Node& node, const Type* hint = nullptr);
  // A value of one of these kinds, for `what` ("max", "add").
  std::optional<Typed> value_of(const Node& node, const std::vector<Kind>& kinds,
                                std::string_view what);

 private:
  using Result = std::optional<Typed>;

  // What a quantifier puts in place: `file.ext`, `item`, the recipients.
  struct Frame {
    const RecordShape* record = nullptr;
    Type item;
    std::uint32_t nesting = 0;
    std::string collection;
    bool recipients = false;
  };

  // typecheck.cpp: names, logic, states
  Result check(const Node& node, const Type* hint);
  Result name(const Node& node, const Type* hint);
  Result element(const Node& node);
  Result fact(const Node& node, const FoundFact& found);
  Result let(const Node& node, const LetSource& found, const Type* hint);
  bool check_stage(const Node& node, const FactSignature& fact);
  Result unknown_name(const Node& node);
  Result chain(const Node& node);
  Result negation(const Node& node);
  Result state(const Node& node);
  Result hit(const Node& node);
  bool is_bare_word(const Node& node) const;
  const Frame* frame_of(std::string_view name, std::string_view& field) const;

  // typecheck_relations.cpp: comparisons and membership
  Result comparison(const Node& node);
  Result range(const Node& node);
  Result pattern(const Node& node);
  Result text_test(const Node& node);
  Result membership(const Node& node);
  Result in_list(const Node& node, const DeclaredList& list);
  Result in_pairs(const Node& node, const DeclaredList& list);
  Result in_items(const Node& node);
  Result in_value(const Node& node);
  Result under_list(const Node& node, const Typed& left, const DeclaredList& list);
  Result under(const Node& node);
  bool both(const Node& a, const Node& b, Result& left, Result& right);
  bool check_equality(const Node& node, const Typed& left, const Typed& right);
  bool check_order(const Node& node, const Typed& left, const Typed& right);
  bool check_not_none(const Node& operand, const Typed& typed, const Node& whole);
  bool check_units(const Node& a, const Type& type_a, const Node& b, const Type& type_b);
  bool check_member(const Node& node, const Type& wanted, Kind element);

  // typecheck_values.cpp: literals, look-ups, calls
  Result literal(const Node& node, const Type* hint);
  Result text_literal(const Node& node, const Type& hint);
  Result word(const Node& node, const Type& hint);
  Result list_name(const Node& node);
  Result lookup(const Node& node);
  Result items(const Node& node, const Type* hint);
  Result otherwise(const Node& node, const Type* hint);
  Result call(const Node& node, const Type* hint);
  Result call_seen(const Node& node);
  Result call_header(const Node& node);
  Result call_strip_tag(const Node& node);
  Result call_known_or(const Node& node, const Type* hint);
  Result call_len(const Node& node);
  Result call_age(const Node& node);
  Result quantifier(const Node& node);
  bool unify(const Node& node, Typed& into, const Typed& other);

  void error(std::string code, const SourceSpan& span, std::string message);
  Result wrong_type(const Node& node, const Typed& typed, std::string_view expected);
  Typed make(Op op, const Node& node, Type type, std::vector<Typed> children) const;

  Compilation& c_;
  Place place_;
  Narrowing narrowing_;
  std::size_t file_;  // of the expression at hand: a let's own while inside it
  std::vector<Frame> frames_;
  std::vector<const Node*> lets_;    // uses of lets around, outermost first
  std::uint32_t nesting_ = 0;        // element slots in use
  const Node* hinted_by_ = nullptr;  // what the hint is the type of, for messages
};

// Types of two values that == may compare; also for an element of a list.
bool are_comparable(const Type& a, const Type& b);
Equality equality_of(Kind a, Kind b);

}  // namespace sluice::policy
