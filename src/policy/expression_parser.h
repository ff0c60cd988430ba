// The recursive descent behind parse_expression and parse_action: one token stream, one diagnostic,
// then it stops. Private to the front half of policy/.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "policy/ast.h"
#include "policy/lexer.h"

namespace sluice::policy {

class ExpressionParser {
 public:
  // Begins at byte `from` of the scalar. ok() is false when the text cannot even be cut into
  // tokens.
  ExpressionParser(const Scalar& scalar, std::size_t from, Diagnostics& diagnostics);
  bool ok() const { return !failed_; }

  // Each returns an empty result after it has said why.
  std::optional<Node> expression();  // expr
  std::optional<Node> value();       // primary { "??" primary }

  const Token& peek() const { return tokens_[at_]; }
  const Token& take();
  bool at_end() const { return peek().kind == Token::Kind::End; }
  bool take_word(std::string_view word);
  bool take_symbol(std::string_view symbol);
  bool expect_symbol(std::string_view symbol);
  // Says "expected WHAT, found `token`" at the next token, unless something was said already.
  void expected(std::string_view what, std::string code = "E201");
  void fail(std::string code, SourceSpan span, std::string message);
  SourceSpan span(const Token& token) const;
  // From `first` to the end of the token taken last.
  SourceSpan span_from(const Token& first) const;
  // The text of a String token as a scalar of its own: offsets in it lead back to the file.
  Scalar string_scalar(const Token& token) const;

 private:
  std::optional<Node> negation();
  std::optional<Node> relation();
  std::optional<Node> primary();
  std::optional<Node> word();
  std::optional<Node> literal(const Token& token);
  std::optional<Node> list();
  std::optional<Node> items();
  std::optional<Node> quantifier();
  std::optional<Node> call();
  std::optional<Node> group();
  std::optional<Node> comparison(Node left, Node::Op op);
  std::optional<Node> match(Node left, bool negated);
  std::optional<Node> membership(Node left, bool negated, const Token& first);
  std::optional<Node> word_operator(Node left, Node::Kind kind, bool negated, const Token& first);
  std::optional<Node> state(Node left);
  bool relation_ends();
  bool deeper();
  std::optional<Node> made(Node node);

  const Scalar& scalar_;
  Diagnostics& diagnostics_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  std::size_t nodes_ = 0;
  bool failed_ = false;
};

}  // namespace sluice::policy
