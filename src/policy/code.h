// Code: the expressions of a Program as flat nodes, and all they refer to. Private to policy/.
//
// A node is an operation with its operands in `operands[first, first + count)`. Constant subtrees
// were folded when it was made. Depth is bounded by kMaxExpressionDepth times the depth of `let`
// names.
#pragma once
#include <re2/re2.h>

#include <deque>

#include "policy/ast.h"
#include "policy/matching.h"
#include "policy/program.h"
#include "policy/static_list.h"
#include "policy/table.h"

namespace sluice::policy {

using NodeId = std::uint32_t;

enum class Op : std::uint8_t {
  // Values.
  Constant,  // a: constants
  Fact,      // a: Program::facts(); flag: of one recipient
  Field,     // a: nesting of the element, b: field
  Item,      // a: nesting of the element
  Lookup,    // a: tables; the key
  Else,      // first operand that is not none
  KnownOr,   // first operand, or the second when it is none or unknown
  Count,     // as Any
  Header,    // a: strings
  StripTag,
  Len,
  Age,
  ListOf,  // the operands as a list
  // Conditions.
  And,
  Or,
  Not,
  Equal,        // how, matching; flag: negated
  Order,        // cmp
  InRange,      // three operands; flag: the end is excluded, flag2: may wrap
  Matches,      // a: patterns
  InStatic,     // a: lists
  InTuples,     // a: lists; operands: the parts
  InDynamic,    // a: Program::dynamic_lists()
  InValues,     // a value in a list value; how, matching
  InItems,      // a value in the operands behind it; how, matching
  Under,        // a domain under a domain
  UnderStatic,  // a: lists
  UnderValues,
  Contains,
  StartsWith,
  EndsWith,
  IsSet,
  IsKnown,
  Seen,  // a: sites; operands: the values, then the duration
  Any,
  All,  // operands: the collection (absent: the recipients), the condition
};

// How two values are held equal.
enum class Equality : std::uint8_t {
  Same,
  Numbers,
  Texts,
  Within
};  // Within: an address in a network

struct CodeNode {
  Op op = Op::Constant;
  Equality how = Equality::Same;
  Matching matching = Matching::Exact;
  Node::Op compare = Node::Op::Eq;
  bool flag = false, flag2 = false;
  std::uint16_t count = 0;
  std::uint32_t first = 0;
  std::uint32_t a = 0, b = 0;
};

inline constexpr std::size_t kMaxNesting = 8;  // quantifiers within each other

struct Expression {
  NodeId root = 0;
  Kind kind = Kind::Bool;
  std::string text;
};

struct TemplatePiece {
  enum class Kind : std::uint8_t { Text, Value, Word } kind = Kind::Text;
  std::string text;  // Text, Word
  NodeId value = 0;  // Value
  policy::Kind value_kind = policy::Kind::Text;
  bool upper = false;
};

// A seen(...) call: the quantifiers around it, outermost first, and its node.
struct SeenSite {
  std::vector<NodeId> around;
  NodeId node = 0;
  std::string state_key;
};

struct Code {
  std::vector<CodeNode> nodes;
  std::vector<NodeId> operands;
  std::vector<Value> constants;
  std::vector<std::string> strings;
  std::vector<std::unique_ptr<const re2::RE2>> patterns;
  std::vector<StaticListPtr> lists;
  std::vector<TablePtr> tables;
  std::vector<Expression> expressions;
  std::vector<std::vector<TemplatePiece>> templates;
  std::vector<SeenSite> sites;
  std::vector<std::string> dynamic_names;      // "$banned", for unknown_fact
  std::deque<std::vector<std::string>> words;  // of enums that tables declare
  std::deque<EnumWords> enums;
  bool fold_local_part = true;
  std::string delimiters;
  FactIndex now = 0;  // time.now, for age(); valid when age() is used
};

}  // namespace sluice::policy
