// Tokens of an expression or an action (LANGUAGE 10). The lexer knows literals and symbols; which
// word is a keyword, a fact or an enum's word is the parser's business.
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

inline constexpr std::size_t kMaxTokens = 50'000;

struct Token {
  enum class Kind : std::uint8_t {
    End,
    Word,     // `text`: and, spf.result, X-Spam, 7bit
    String,   // `text`: between the quotes, escapes resolved
    Literal,  // `value` of `literal_kind`: 5, -1.5, 2m5s, 5MB, 100/1h, 22:30, 2026-10-15T00:00Z
    List,     // `text`: own_nets of $own_nets
    Regex,    // `text`: between the slashes, `\/` is `/`; `flags`; only behind =~ and !~
    Symbol,   // `text`: ( ) [ ] , .. == != <= >= =~ !~ ?? < > =
  };
  Kind kind = Kind::End;
  std::string text;
  std::string flags;
  Value value;
  policy::Kind literal_kind = policy::Kind::Int;
  std::size_t offset = 0;  // in the scalar
  std::size_t length = 0;

  bool is_symbol(std::string_view symbol) const { return kind == Kind::Symbol && text == symbol; }
  bool is_word(std::string_view word) const { return kind == Kind::Word && text == word; }
};

// The tokens of `scalar` from byte `from` on, the last one End. On an error (E201, E211) a
// diagnostic is added and the result is empty.
std::optional<std::vector<Token>> lex(const Scalar& scalar, std::size_t from,
                                      Diagnostics& diagnostics);

// Number, duration, size, rate, clock or datetime, alone in `text`. Empty when it is none of these.
std::optional<Value> parse_literal(std::string_view text, Kind kind);

}  // namespace sluice::policy
