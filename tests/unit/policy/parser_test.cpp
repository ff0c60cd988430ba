#include <catch2/catch.hpp>
#include <random>

#include "expression_text.h"

using namespace sluice;
using namespace sluice::policy;

namespace {

std::string parsed(const std::string& text) {
  Diagnostics diagnostics;
  const auto node = parse_expression(scalar_of(text), diagnostics);
  INFO(diagnostics.render());
  REQUIRE(node);
  REQUIRE(diagnostics.all().empty());
  return dump(*node);
}

std::string normal(const std::string& text) {
  Diagnostics diagnostics;
  const auto node = parse_expression(scalar_of(text), diagnostics);
  INFO(text << "\n" << diagnostics.render());
  REQUIRE(node);
  return render_expression(*node);
}

// The one diagnostic of a text that must not parse.
std::string refused(const std::string& text) {
  Diagnostics diagnostics;
  const auto node = parse_expression(scalar_of(text), diagnostics);
  INFO(text);
  REQUIRE_FALSE(node);
  REQUIRE(diagnostics.all().size() == 1);
  const Diagnostic& d = diagnostics.all()[0];
  return d.code + " " + std::to_string(d.span.column) + "+" + std::to_string(d.span.length) + " " +
         d.message;
}

// Random trees in random spelling: every operand in parentheses or not, as the grammar allows.
class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  Node chain(int depth) {
    if (depth == 0 || pick(3) == 0) return relation(depth);
    Node node;
    if (pick(4) == 0) {
      node.kind = Node::Kind::Not;
      node.children.push_back(chain(depth - 1));
      return node;
    }
    node.kind = pick(2) ? Node::Kind::And : Node::Kind::Or;
    for (std::size_t i = 2 + pick(2); i > 0; --i) node.children.push_back(chain(depth - 1));
    return node;
  }

 private:
  std::size_t pick(std::size_t n) { return random_() % n; }

  Node relation(int depth) {
    using K = Node::Kind;
    static const std::vector<K> kinds{K::Compare, K::Matches,  K::In,         K::InRange,
                                      K::Under,   K::Contains, K::StartsWith, K::Is};
    Node node;
    node.kind = kinds[pick(kinds.size())];
    node.op = static_cast<Node::Op>(pick(6));
    node.children.push_back(value(depth));
    const bool can_negate =
        node.kind != K::Compare && node.kind != K::Contains && node.kind != K::StartsWith;
    node.negated = can_negate && pick(2) == 0;
    if (node.kind == K::Matches) {
      static const std::vector<std::string> patterns{"a+", "^/x/", "\\.\"[/]\\\\", ""};
      node.text = patterns[pick(patterns.size())];
      node.flags = pick(2) ? "i" : "";
    } else if (node.kind == K::Is) {
      static const std::vector<std::string> states{"set", "none", "known", "unknown", "hit"};
      node.text = states[pick(states.size())];
    } else {
      node.children.push_back(value(depth));
      if (node.kind == K::InRange) node.children.push_back(value(depth));
    }
    return node;
  }

  Node value(int depth) {
    Node node;
    switch (pick(depth > 0 ? 8 : 3)) {
      case 0:
        node.kind = Node::Kind::Name, node.text = pick(2) ? "spf.result" : "pass";
        break;
      case 1:
        return literal();
      case 2:
        node.kind = Node::Kind::List, node.text = pick(2) ? "own_nets" : "mx-example/own_nets";
        break;
      case 3:
        node.kind = Node::Kind::Lookup, node.text = "rates";
        node.children.push_back(value(depth - 1));
        break;
      case 4:
        node.kind = Node::Kind::Items;
        for (std::size_t i = pick(3); i > 0; --i) node.children.push_back(value(depth - 1));
        break;
      case 5:
        node.kind = Node::Kind::Else;
        for (std::size_t i = 2 + pick(2); i > 0; --i) node.children.push_back(value(depth - 1));
        break;
      case 6: {
        node.kind = Node::Kind::Quantifier, node.text = "any";
        Node fact;
        fact.kind = Node::Kind::Name, fact.text = "rcpts";
        node.children.push_back(fact);
        node.children.push_back(chain(depth - 1));
        break;
      }
      default:
        node.kind = Node::Kind::Call, node.text = "known_or";
        node.children.push_back(value(depth - 1));
        node.children.push_back(chain(depth - 1));
    }
    return node;
  }

  Node literal() {
    static const std::vector<std::pair<Kind, Value>> values{
        {Kind::Int, 5},
        {Kind::Int, -7},
        {Kind::Float, 0.25},
        {Kind::Float, -3.0},
        {Kind::Bool, true},
        {Kind::Text, "a \"b\"\\\n"},
        {Kind::Duration, Duration(125'000)},
        {Kind::Size, 26'214'400},
        {Kind::Rate, Rate{.count = 10, .period = Duration(60'000)}},
        {Kind::Rate, Rate{.count = 1024, .period = Duration(500), .bytes = true}},
        {Kind::Rate, Rate{.unlimited = true}},
        {Kind::Clock, ClockTime{1350}},
        {Kind::Datetime, TimePoint(Duration(1'792'022'400'000))}};
    const auto& [kind, value] = values[pick(values.size())];
    Node node;
    node.literal_kind = kind;
    node.value = value;
    return node;
  }

  std::mt19937 random_;
};

}  // namespace

TEST_CASE("parser: the normal form of a random tree gives the same tree again") {
  for (unsigned seed = 0; seed < 3000; ++seed) {
    const Node tree = Generator(seed).chain(4);
    const std::string text = render_expression(tree);
    Diagnostics diagnostics;
    const auto again = parse_expression(scalar_of(text), diagnostics);
    INFO("seed " << seed << ": " << text << "\n" << diagnostics.render());
    REQUIRE(again);
    REQUIRE(dump(*again) == dump(tree));
  }
}

TEST_CASE("parser: normal forms leave out what is not needed") {
  const std::vector<std::pair<std::string, std::string>> table{
      {"not  client.ip in $own_nets", "not client.ip in $own_nets"},
      {"((a == 1) or b)and c", "(a == 1 or b) and c"},
      {"(mail.size ?? 0B) > 25MB", "(mail.size ?? 0B) > 25MB"},
      {"rcpt.count > ($class_cap[$client_class[client.ip] ?? \"other\"] ?? 10)",
       "rcpt.count > ($class_cap[$client_class[client.ip] ?? \"other\"] ?? 10)"},
      {"time.local in 22:00..06:00", "time.local in 22:00 .. 06:00"},
      {"age(date) > 120s", "age(date) > 2m"},
      {"subject.text =~ /a\\/b\\.c/i", "subject.text =~ /a\\/b\\.c/i"},
      {"x !~ /[\\/]/", "x !~ /[\\/]/"},
      {"mail.body == 8bitmime or mail.body == 7bit", "mail.body == 8bitmime or mail.body == 7bit"},
      {"not (helo.name contains \".\")", "not helo.name contains \".\""},
      {"count(rcpts, true) > 50", "count(rcpts, true) > 50"},
      {"sender.domain not under \"example.com\"", "sender.domain not under \"example.com\""},
      {"time.now in 2026-10-15T00:00Z .. 2026-10-18T00:00:00+02:00",
       "time.now in 2026-10-15T00:00:00Z .. 2026-10-17T22:00:00Z"},
      {"seen([client.ip, sender.domain], 2d)", "seen([client.ip, sender.domain], 2d)"},
      {"a\n  and\tb", "a and b"},
      {"score >= -4", "score >= -4"},
  };
  for (const auto& [text, form] : table) CHECK(normal(text) == form);
}

TEST_CASE("parser: `not` covers the whole comparison, `??` binds tighter than any operator") {
  CHECK(parsed("not a in $b") == parsed("not (a in $b)"));
  CHECK(parsed("not a and b") == parsed("(not a) and b"));
  CHECK(parsed("a ?? b == c ?? d") == parsed("(a ?? b) == (c ?? d)"));
  CHECK(parsed("a not in $b") != parsed("not a in $b"));
}

TEST_CASE("parser: a list of rates is cut at commas only outside of brackets") {
  Diagnostics diagnostics;
  const auto rates =
      parse_expression_list(scalar_of("$user_rate[auth.user] ?? 200/1d, 10/1m"), diagnostics);
  REQUIRE(rates);
  REQUIRE(rates->size() == 2);
  CHECK(render_expression((*rates)[0]) == "$user_rate[auth.user] ?? 200/1d");
  CHECK(render_expression((*rates)[1]) == "10/1m");
  const auto one = parse_expression_list(scalar_of("known_or($r[a], 20MB/1d)"), diagnostics);
  REQUIRE(one);
  CHECK(one->size() == 1);
  CHECK_FALSE(parse_expression_list(scalar_of("10/1m,"), diagnostics));
}

TEST_CASE("parser: an error names its place and what to write instead") {
  const std::vector<std::pair<std::string, std::string>> table{
      {"not client.ip in $own_nets and sender.is_null or tls.active",
       "E208 47+2 `and` and `or` mixed: add parentheses"},
      {"", "E201 1+1 expected a value, found the end"},
      {"a ==", "E201 5+1 expected a value, found the end"},
      {"a = 1", "E201 3+1 one `=` is not a comparison: write `==`"},
      {"a && b", "E201 3+2 unexpected `&&`: write `and`"},
      {"!a", "E201 1+1 unexpected `!`: write `not`"},
      {"a == 'x'", "E201 6+1 unexpected `'`: texts stand in double quotes"},
      {"a < b < c", "E201 7+1 comparisons cannot be chained: join two with `and`"},
      {"(a", "E201 3+1 expected `)`, found the end"},
      {"a b", "E201 3+1 expected an operator or the end, found `b`"},
      {"a == \"x", "E201 6+1 the text that begins here has no closing quote"},
      {"a =~ x", "E201 6+1 expected a regular expression /.../, found `x`"},
      {"a =~ /x", "E201 6+1 the regular expression that begins here has no closing `/`"},
      {"a =~ /x/ig", "E201 10+1 unknown flag `g`: i, m and s are known"},
      {"size > 5 MB", "E211 10+2 no blank between number and unit: write 5MB"},
      {"size > 5mb",
       "E211 8+3 `5mb` has no known unit: durations end in ms s m h d, sizes in B kB MB GB"},
      {"r == 10/m", "E211 6+4 `10/m` is not a rate: write 100/1h or 20MB/1d"},
      {"client.ip == 10.0.0.1",
       "E201 14+8 `10.0.0.1` is not a number; addresses and networks stand in double quotes"},
      {"time.local > 25:00", "E201 14+5 `25:00` is not a time of day: write 22:30"},
      {"time.now > 2026-10-15",
       "E201 12+10 `2026-10-15` is not a date and time: write 2026-10-15T00:00Z"},
      {"age(date) > -5m", "E211 13+3 `-5m`: a duration cannot be negative"},
      {"lenn(a) > 1", "E201 1+4 unknown function `lenn`; did you mean `len`?"},
      {"known_or(a)", "E201 1+8 `known_or` takes 2 arguments, not 1"},
      {"a is pass",
       "E201 6+4 expected `set`, `none`, `known`, `unknown` or `hit` after `is` (values are "
       "compared with `==`), found `pass`"},
      {"\"a\\.b\" == x",
       "E201 3+2 unknown escape: \\\" \\\\ \\n \\t \\r are known; a backslash is written \\\\"},
      {"any(\"x\", true)",
       "E201 5+3 expected a fact that is a list (rcpts, attachments, dkim.domains), found `\"x\"`"},
  };
  for (const auto& [text, message] : table) CHECK(refused(text) == message);
}

TEST_CASE("parser: depth, length and number of words are bounded") {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '(') + "a" + std::string(depth, ')');
  };
  CHECK(parsed(nested(kMaxExpressionDepth - 1)) == parsed("a"));
  CHECK(refused(nested(kMaxExpressionDepth + 1)).find("nested deeper than 100") !=
        std::string::npos);
  std::string negations;
  for (std::size_t i = 0; i < kMaxExpressionDepth + 1; ++i) negations += "not ";
  CHECK(refused(negations + "a").find("nested deeper") != std::string::npos);
  CHECK(refused(std::string(kMaxExpressionBytes + 1, 'a')).find("longer than") !=
        std::string::npos);
}

TEST_CASE("parser: spans cover operators, operands and regular expressions") {
  Diagnostics diagnostics;
  const auto node = parse_expression(scalar_of("a and subject.text =~ /x\\/y/i"), diagnostics);
  REQUIRE(node);
  CHECK(node->span.column == 1);
  CHECK(node->span.length == 29);
  CHECK(node->op_span.column == 3);
  const Node& match = node->children[1];
  CHECK(match.span.column == 7);
  CHECK(match.op_span.column == 20);
  CHECK(match.pattern_span.column == 23);
  CHECK(match.pattern_span.length == 7);
  CHECK(match.text == "x/y");
}
