// The syntax tree of an expression (LANGUAGE 10), before names and types are resolved.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/diagnostic.h"
#include "policy/type.h"
#include "policy/value.h"
#include "policy/yaml_tree.h"

namespace sluice::policy {

inline constexpr std::size_t kMaxExpressionBytes = 16'384;
inline constexpr std::size_t kMaxExpressionDepth = 100;
inline constexpr std::size_t kMaxExpressionNodes = 20'000;

struct Node {
  enum class Kind : std::uint8_t {
    Literal,     // `value`; `literal_kind` tells Int, Float, Text, Bool, Duration, Size, Rate, Clock, Datetime
    Name,        // `text`: fact, let name, enum word, `item`: "spf.result", "pass"
    List,        // `text`: "$own_nets" without the $ ("base/own_nets")
    Lookup,      // `text` as List; children[0] the key
    Items,       // [a, b, …]
    Quantifier,  // `text` any|all|count; children[0] Name of the collection, children[1] expression
    Call,        // `text` the function; children the arguments
    And, Or,     // two or more children
    Not,
    Compare,     // `op`; two children
    Matches,     // children[0]; `text` the pattern (`\/` already unescaped), `flags`; negated: !~
    In,          // children[0] in children[1]; negated
    InRange,     // children[0] in children[1] .. children[2]; negated
    Under,       // negated
    Contains, StartsWith, EndsWith,
    Is,          // children[0] is `text` (set|none|known|unknown|hit); negated
    Else,        // children[0] ?? children[1] ?? …
  };
  enum class Op : std::uint8_t { Eq, Ne, Lt, Le, Gt, Ge };

  Kind kind = Kind::Literal;
  Op op = Op::Eq;
  bool negated = false;
  policy::Kind literal_kind = policy::Kind::Bool;
  std::string text;
  std::string flags;
  Value value;
  SourceSpan span;       // of the whole expression
  SourceSpan op_span;    // of the operator or the word that makes it (for carets)
  std::vector<Node> children;
};

// Parses one expression. On an error a diagnostic (E201, E208, E211 for unit mix-ups that show without types) is added
// and the result is empty.
std::optional<Node> parse_expression(const Scalar& scalar, Diagnostics& diagnostics);
// A comma-separated list of expressions (`max:`); the comma binds weakest.
std::optional<std::vector<Node>> parse_expression_list(const Scalar& scalar, Diagnostics& diagnostics);

}  // namespace sluice::policy
