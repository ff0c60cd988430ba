// The syntax tree of an expression (LANGUAGE 10), before names and types are resolved.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
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
  SourceSpan pattern_span;  // Matches: of the regular expression, slashes included
  std::vector<Node> children;
};

// Functions and quantifiers of the language, with the number of their arguments.
struct FunctionForm {
  std::string_view name;
  std::size_t arguments;
};
inline constexpr std::array<FunctionForm, 6> kFunctions{
    {{"seen", 2}, {"header", 1}, {"strip_tag", 1}, {"known_or", 2}, {"len", 1}, {"age", 1}}};
inline constexpr std::array<std::string_view, 3> kQuantifiers{"any", "all", "count"};
// Words that cannot name a fact, a let or an enum's value.
inline constexpr std::array<std::string_view, 12> kKeywords{
    "and", "or", "not", "in", "under", "contains", "starts_with", "ends_with", "is", "true", "false", "unlimited"};

// Parses one expression. On an error a diagnostic (E201, E208, E211 for unit mix-ups that show without types) is added
// and the result is empty.
std::optional<Node> parse_expression(const Scalar& scalar, Diagnostics& diagnostics);
// A comma-separated list of expressions (`max:`); the comma binds weakest.
std::optional<std::vector<Node>> parse_expression_list(const Scalar& scalar, Diagnostics& diagnostics);

// The expression in its normal form: one blank between words, parentheses only where they are needed
// and around `??` in comparisons. Parsing it gives
// the same tree (places aside). For traces, `rev` and keys of stored state.
std::string render_expression(const Node& node);

}  // namespace sluice::policy
