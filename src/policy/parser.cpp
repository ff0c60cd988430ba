#include <algorithm>
#include <array>

#include "policy/expression_parser.h"

namespace sluice::policy {
namespace {

struct Comparison {
  std::string_view symbol;
  Node::Op op;
};
constexpr std::array<Comparison, 6> kComparisons{{{"==", Node::Op::Eq},
                                                  {"!=", Node::Op::Ne},
                                                  {"<", Node::Op::Lt},
                                                  {"<=", Node::Op::Le},
                                                  {">", Node::Op::Gt},
                                                  {">=", Node::Op::Ge}}};

struct WordOperator {
  std::string_view word;
  Node::Kind kind;
  bool takes_not;  // `not under`
};
constexpr std::array<WordOperator, 5> kWordOperators{
    {{"in", Node::Kind::In, true},
     {"under", Node::Kind::Under, true},
     {"contains", Node::Kind::Contains, false},
     {"starts_with", Node::Kind::StartsWith, false},
     {"ends_with", Node::Kind::EndsWith, false}}};

constexpr std::array<std::string_view, 5> kStates{"set", "none", "known", "unknown", "hit"};
constexpr std::array<std::string_view, 9> kUnits{"ms", "s", "m", "h", "d", "B", "kB", "MB", "GB"};

template <class Table>
bool contains(const Table& table, std::string_view word) {
  return std::find(table.begin(), table.end(), word) != table.end();
}

const WordOperator* find_word_operator(std::string_view word) {
  const auto found = std::find_if(kWordOperators.begin(), kWordOperators.end(),
                                  [word](const WordOperator& o) { return o.word == word; });
  return found == kWordOperators.end() ? nullptr : &*found;
}

std::string_view unquoted(std::string_view text) { return text.substr(0, 40); }

std::string described(const Token& token, const Scalar& scalar) {
  if (token.kind == Token::Kind::End) return "the end";
  return "`" +
         std::string(unquoted(std::string_view(scalar.text).substr(token.offset, token.length))) +
         "`";
}

}  // namespace

ExpressionParser::ExpressionParser(const Scalar& scalar, std::size_t from, Diagnostics& diagnostics)
    : scalar_(scalar), diagnostics_(diagnostics) {
  auto tokens = lex(scalar, from, diagnostics);
  failed_ = !tokens;
  if (tokens) tokens_ = std::move(*tokens);
  if (tokens_.empty()) tokens_.emplace_back().offset = scalar.text.size();
}

const Token& ExpressionParser::take() {
  const Token& token = tokens_[at_];
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool ExpressionParser::take_word(std::string_view word) {
  if (!peek().is_word(word)) return false;
  take();
  return true;
}

bool ExpressionParser::take_symbol(std::string_view symbol) {
  if (!peek().is_symbol(symbol)) return false;
  take();
  return true;
}

bool ExpressionParser::expect_symbol(std::string_view symbol) {
  if (take_symbol(symbol)) return true;
  expected("`" + std::string(symbol) + "`");
  return false;
}

void ExpressionParser::fail(std::string code, SourceSpan span, std::string message) {
  if (!failed_) diagnostics_.error(std::move(code), std::move(span), std::move(message));
  failed_ = true;
}

void ExpressionParser::expected(std::string_view what, std::string code) {
  const Token& token = peek();
  fail(std::move(code), span(token),
       "expected " + std::string(what) + ", found " + described(token, scalar_));
}

SourceSpan ExpressionParser::span(const Token& token) const {
  return scalar_.span(token.offset, std::max<std::size_t>(token.length, 1));
}

SourceSpan ExpressionParser::span_from(const Token& first) const {
  const Token& last = tokens_[at_ > 0 ? at_ - 1 : 0];
  const std::size_t end = std::max(last.offset + last.length, first.offset + first.length);
  return scalar_.span(first.offset, end - first.offset);
}

Scalar ExpressionParser::string_scalar(const Token& token) const {
  ScalarBuilder builder(scalar_.begin.file);
  std::size_t at = token.offset + 1;
  for (const char c : token.text) {
    const SourceSpan place = scalar_.span(at, 1);
    builder.add(c, place.line, place.column);
    at += scalar_.text[at] == '\\' ? 2 : 1;
  }
  const SourceSpan end = scalar_.span(at, 1);
  return builder.finish(end.line, end.column);
}

// Every level of nesting passes here, so the stack is bounded.
bool ExpressionParser::deeper() {
  if (++depth_ <= kMaxExpressionDepth) return true;
  fail("E201", span(peek()),
       "nested deeper than " + std::to_string(kMaxExpressionDepth) + " levels");
  return false;
}

std::optional<Node> ExpressionParser::made(Node node) {
  if (++nodes_ > kMaxExpressionNodes) {
    fail("E201", node.span,
         "larger than " + std::to_string(kMaxExpressionNodes) + " operands and operators");
    return std::nullopt;
  }
  return node;
}

// expr and and_expr in one: a chain has one operator, mixing needs parentheses.
std::optional<Node> ExpressionParser::expression() {
  if (!deeper()) return std::nullopt;
  const Token& first = peek();
  auto left = negation();
  if (!left) return std::nullopt;
  Node chain;
  while (peek().is_word("and") || peek().is_word("or")) {
    const Token& op = take();
    if (chain.children.empty()) {
      chain.kind = op.text == "and" ? Node::Kind::And : Node::Kind::Or;
      chain.op_span = span(op);
      chain.children.push_back(std::move(*left));
    } else if ((chain.kind == Node::Kind::And) != (op.text == "and")) {
      fail("E208", span(op), "`and` and `or` mixed: add parentheses");
      return std::nullopt;
    }
    auto right = negation();
    if (!right) return std::nullopt;
    chain.children.push_back(std::move(*right));
  }
  --depth_;
  if (chain.children.empty()) return left;
  chain.span = span_from(first);
  return made(std::move(chain));
}

std::optional<Node> ExpressionParser::negation() {
  const Token& first = peek();
  if (!first.is_word("not")) return relation();
  if (!deeper()) return std::nullopt;
  Node node;
  node.kind = Node::Kind::Not;
  node.op_span = span(take());
  auto operand = negation();
  if (!operand) return std::nullopt;
  --depth_;
  node.children.push_back(std::move(*operand));
  node.span = span_from(first);
  return made(std::move(node));
}

std::optional<Node> ExpressionParser::relation() {
  const Token& first = peek();
  auto left = value();
  if (!left) return std::nullopt;
  const Token& op = peek();
  std::optional<Node> node;
  const auto compared = std::find_if(kComparisons.begin(), kComparisons.end(),
                                     [&op](const Comparison& c) { return op.is_symbol(c.symbol); });
  if (compared != kComparisons.end()) {
    node = comparison(std::move(*left), compared->op);
  } else if (op.is_symbol("=~") || op.is_symbol("!~")) {
    node = match(std::move(*left), op.text == "!~");
  } else if (op.is_word("is")) {
    node = state(std::move(*left));
  } else if (op.is_word("not") || (op.kind == Token::Kind::Word && find_word_operator(op.text))) {
    const bool negated = take_word("not");
    const auto* word = peek().kind == Token::Kind::Word ? find_word_operator(peek().text) : nullptr;
    if (!word || (negated && !word->takes_not)) {
      expected(
          "`in` or `under` after `not` (in front of the comparison it negates all of it: not (a "
          "contains b))");
      return std::nullopt;
    }
    node = word_operator(std::move(*left), word->kind, negated, op);
  } else if (op.is_symbol("=")) {
    fail("E201", span(op), "one `=` is not a comparison: write `==`");
  } else {
    return left;
  }
  if (!node || !relation_ends()) return std::nullopt;
  node->span = span_from(first);
  return made(std::move(*node));
}

// `a < b < c` would be read in two ways.
bool ExpressionParser::relation_ends() {
  const Token& next = peek();
  const bool again =
      std::any_of(kComparisons.begin(), kComparisons.end(),
                  [&next](const Comparison& c) { return next.is_symbol(c.symbol); }) ||
      next.is_symbol("=~") || next.is_symbol("!~") || next.is_word("is") ||
      (next.kind == Token::Kind::Word && find_word_operator(next.text));
  if (again) fail("E201", span(next), "comparisons cannot be chained: join two with `and`");
  return !again;
}

std::optional<Node> ExpressionParser::comparison(Node left, Node::Op op) {
  Node node;
  node.kind = Node::Kind::Compare;
  node.op = op;
  node.op_span = span(take());
  auto right = value();
  if (!right) return std::nullopt;
  node.children.push_back(std::move(left));
  node.children.push_back(std::move(*right));
  return node;
}

std::optional<Node> ExpressionParser::match(Node left, bool negated) {
  Node node;
  node.kind = Node::Kind::Matches;
  node.negated = negated;
  node.op_span = span(take());
  if (peek().kind != Token::Kind::Regex) {
    expected("a regular expression /.../");
    return std::nullopt;
  }
  const Token& pattern = take();
  node.text = pattern.text;
  node.flags = pattern.flags;
  node.pattern_span = span(pattern);
  node.children.push_back(std::move(left));
  return node;
}

std::optional<Node> ExpressionParser::word_operator(Node left, Node::Kind kind, bool negated,
                                                    const Token& first) {
  if (kind == Node::Kind::In) return membership(std::move(left), negated, first);
  Node node;
  node.kind = kind;
  node.negated = negated;
  take();
  node.op_span = span_from(first);
  auto right = value();
  if (!right) return std::nullopt;
  node.children.push_back(std::move(left));
  node.children.push_back(std::move(*right));
  return node;
}

std::optional<Node> ExpressionParser::membership(Node left, bool negated, const Token& first) {
  Node node;
  node.kind = Node::Kind::In;
  node.negated = negated;
  take();
  node.op_span = span_from(first);
  auto where = value();
  if (!where) return std::nullopt;
  node.children.push_back(std::move(left));
  node.children.push_back(std::move(*where));
  if (!take_symbol("..")) return node;
  node.kind = Node::Kind::InRange;
  auto end = value();
  if (!end) return std::nullopt;
  node.children.push_back(std::move(*end));
  return node;
}

std::optional<Node> ExpressionParser::state(Node left) {
  Node node;
  node.kind = Node::Kind::Is;
  node.op_span = span(take());
  node.negated = take_word("not");
  const Token& word = peek();
  if (word.kind != Token::Kind::Word || !contains(kStates, word.text)) {
    expected(
        "`set`, `none`, `known`, `unknown` or `hit` after `is` (values are compared with `==`)");
    return std::nullopt;
  }
  node.text = take().text;
  node.children.push_back(std::move(left));
  return node;
}

std::optional<Node> ExpressionParser::value() {
  const Token& first = peek();
  auto left = primary();
  if (!left || !peek().is_symbol("??")) return left;
  Node node;
  node.kind = Node::Kind::Else;
  node.op_span = span(peek());
  node.children.push_back(std::move(*left));
  while (take_symbol("??")) {
    auto right = primary();
    if (!right) return std::nullopt;
    node.children.push_back(std::move(*right));
  }
  node.span = span_from(first);
  return made(std::move(node));
}

std::optional<Node> ExpressionParser::primary() {
  switch (peek().kind) {
    case Token::Kind::String:
    case Token::Kind::Literal:
      return literal(take());
    case Token::Kind::List:
      return list();
    case Token::Kind::Word:
      return word();
    case Token::Kind::Symbol:
      if (peek().text == "(") return group();
      if (peek().text == "[") return items();
      break;
    default:
      break;
  }
  expected("a value");
  return std::nullopt;
}

std::optional<Node> ExpressionParser::literal(const Token& token) {
  Node node;
  node.kind = Node::Kind::Literal;
  const bool is_text = token.kind == Token::Kind::String;
  node.literal_kind = is_text ? Kind::Text : token.literal_kind;
  node.value = is_text ? Value(token.text) : token.value;
  node.text = token.text;
  node.span = node.op_span = span(token);
  if (node.literal_kind == Kind::Int && peek().kind == Token::Kind::Word &&
      contains(kUnits, peek().text)) {
    fail("E211", span(peek()),
         "no blank between number and unit: write " + token.text + peek().text);
    return std::nullopt;
  }
  return made(std::move(node));
}

std::optional<Node> ExpressionParser::group() {
  take();
  auto inner = expression();
  if (!inner || !expect_symbol(")")) return std::nullopt;
  return inner;
}

std::optional<Node> ExpressionParser::list() {
  const Token& name = take();
  Node node;
  node.kind = Node::Kind::List;
  node.text = name.text;
  node.op_span = span(name);
  if (take_symbol("[")) {
    if (!deeper()) return std::nullopt;
    node.kind = Node::Kind::Lookup;
    auto key = value();
    if (!key || !expect_symbol("]")) return std::nullopt;
    node.children.push_back(std::move(*key));
    --depth_;
  }
  node.span = span_from(name);
  return made(std::move(node));
}

std::optional<Node> ExpressionParser::items() {
  if (!deeper()) return std::nullopt;
  const Token& first = take();
  Node node;
  node.kind = Node::Kind::Items;
  node.op_span = span(first);
  while (!peek().is_symbol("]")) {
    if (!node.children.empty() && !expect_symbol(",")) return std::nullopt;
    auto item = value();
    if (!item) return std::nullopt;
    node.children.push_back(std::move(*item));
  }
  take();
  --depth_;
  node.span = span_from(first);
  return made(std::move(node));
}

std::optional<Node> ExpressionParser::word() {
  const Token& token = peek();
  const bool is_call = at_ + 1 < tokens_.size() && tokens_[at_ + 1].is_symbol("(");
  if (is_call && contains(kQuantifiers, token.text)) return quantifier();
  if (token.text == "true" || token.text == "false") {
    take();
    Node node;
    node.literal_kind = Kind::Bool;
    node.value = token.text == "true";
    node.text = token.text;
    node.span = node.op_span = span(token);
    return made(std::move(node));
  }
  if (contains(kKeywords, token.text)) {
    expected("a value");
    return std::nullopt;
  }
  if (is_call) return call();
  take();
  Node node;
  node.kind = Node::Kind::Name;
  node.text = token.text;
  node.span = node.op_span = span(token);
  return made(std::move(node));
}

std::optional<Node> ExpressionParser::quantifier() {
  if (!deeper()) return std::nullopt;
  const Token& first = take();
  Node node;
  node.kind = Node::Kind::Quantifier;
  node.text = first.text;
  node.op_span = span(first);
  take();
  if (peek().kind != Token::Kind::Word || contains(kKeywords, peek().text)) {
    expected("a fact that is a list (rcpts, attachments, dkim.domains)");
    return std::nullopt;
  }
  Node collection;
  collection.kind = Node::Kind::Name;
  collection.text = peek().text;
  collection.span = collection.op_span = span(peek());
  take();
  node.children.push_back(std::move(collection));
  if (!expect_symbol(",")) return std::nullopt;
  auto condition = expression();
  if (!condition || !expect_symbol(")")) return std::nullopt;
  node.children.push_back(std::move(*condition));
  --depth_;
  node.span = span_from(first);
  return made(std::move(node));
}

std::optional<Node> ExpressionParser::call() {
  if (!deeper()) return std::nullopt;
  const Token& first = take();
  const auto form = std::find_if(kFunctions.begin(), kFunctions.end(),
                                 [&first](const FunctionForm& f) { return f.name == first.text; });
  if (form == kFunctions.end()) {
    std::vector<std::string_view> names(kQuantifiers.begin(), kQuantifiers.end());
    for (const FunctionForm& f : kFunctions) names.push_back(f.name);
    const std::string_view near = nearest(first.text, names);
    fail("E201", span(first),
         "unknown function `" + first.text + "`" +
             (near.empty() ? std::string() : "; did you mean `" + std::string(near) + "`?"));
    return std::nullopt;
  }
  Node node;
  node.kind = Node::Kind::Call;
  node.text = first.text;
  node.op_span = span(first);
  take();
  while (!peek().is_symbol(")")) {
    if (!node.children.empty() && !expect_symbol(",")) return std::nullopt;
    auto argument = value();
    if (!argument) return std::nullopt;
    node.children.push_back(std::move(*argument));
  }
  take();
  --depth_;
  node.span = span_from(first);
  if (node.children.size() != form->arguments) {
    fail("E201", node.op_span,
         "`" + first.text + "` takes " + std::to_string(form->arguments) +
             (form->arguments == 1 ? " argument, not " : " arguments, not ") +
             std::to_string(node.children.size()));
    return std::nullopt;
  }
  return made(std::move(node));
}

std::optional<Node> parse_expression(const Scalar& scalar, Diagnostics& diagnostics) {
  ExpressionParser parser(scalar, 0, diagnostics);
  if (!parser.ok()) return std::nullopt;
  auto node = parser.expression();
  if (node && !parser.at_end()) {
    parser.expected("an operator or the end");
    return std::nullopt;
  }
  return node;
}

std::optional<std::vector<Node>> parse_expression_list(const Scalar& scalar,
                                                       Diagnostics& diagnostics) {
  ExpressionParser parser(scalar, 0, diagnostics);
  std::vector<Node> nodes;
  if (!parser.ok()) return std::nullopt;
  do {
    auto node = parser.expression();
    if (!node) return std::nullopt;
    nodes.push_back(std::move(*node));
  } while (parser.take_symbol(","));
  if (parser.at_end()) return nodes;
  parser.expected("`,` or the end");
  return std::nullopt;
}

}  // namespace sluice::policy
