#include "policy/yaml_tree.h"

#include <catch2/catch.hpp>

using namespace sluice;
using namespace sluice::policy;

namespace {

SourceFilePtr file_of(std::string text) {
  return std::make_shared<const SourceFile>("t.yaml", std::move(text));
}

YamlNode tree_of(const SourceFilePtr& file) {
  Diagnostics diagnostics;
  YamlNode node = parse_yaml(file, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(diagnostics.all().empty());
  return node;
}

std::string first_error(const std::string& text) {
  Diagnostics diagnostics;
  parse_yaml(file_of(text), diagnostics);
  INFO(text);
  REQUIRE(diagnostics.all().size() >= 1);
  const Diagnostic& d = diagnostics.all()[0];
  return d.code + " " + std::to_string(d.span.line) + ":" + std::to_string(d.span.column) + " " +
         d.message;
}

std::string_view at(const SourceSpan& span) {
  return span.file->line(span.line).substr(span.column - 1, span.length);
}

// Every word of the form wNN must be found where the scalar says it is.
std::size_t check_words(const Scalar& scalar) {
  std::size_t checked = 0;
  for (std::size_t i = scalar.text.find('w'); i != std::string::npos;
       i = scalar.text.find('w', i + 1)) {
    const std::string word = scalar.text.substr(i, 3);
    INFO("in [" << scalar.text << "]");
    CHECK(at(scalar.span(i, 3)) == word);
    ++checked;
  }
  return checked;
}

std::size_t check_all_words(const YamlNode& node) {
  std::size_t checked = node.kind == YamlNode::Kind::Scalar ? check_words(node.scalar) : 0;
  for (const YamlNode& item : node.items) checked += check_all_words(item);
  for (const auto& [key, value] : node.entries)
    checked += check_words(key) + check_all_words(value);
  return checked;
}

}  // namespace

TEST_CASE("yaml tree: scalars are text, whatever they look like") {
  const YamlNode tree =
      tree_of(file_of("[NO, off, 22:30, 1e3, 0777, null, ~, '', \"yes\", 5m, true]\n"));
  const std::vector<std::string> expected{"NO", "off", "22:30", "1e3", "0777", "null",
                                          "~",  "",    "yes",   "5m",  "true"};
  REQUIRE(tree.items.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(tree.items[i].kind == YamlNode::Kind::Scalar);
    CHECK(tree.items[i].scalar.text == expected[i]);
  }
  const YamlNode map = tree_of(file_of("a:\nnot_null: ~\nb: {c, d: null}\n"));
  CHECK(map.find("a")->is_null());
  CHECK(map.find("not_null")->scalar.text == "~");
  CHECK(map.find("b")->find("c")->is_null());
  CHECK(map.find("b")->find("d")->scalar.text == "null");
}

TEST_CASE("yaml tree: every byte of every kind of scalar leads back to its place") {
  const YamlNode tree = tree_of(file_of(
      "w01: w02  # w\n"
      "w03: plain w04\n  over w05 lines\n\n  w06 too\n"
      "w07: \"esc \\\"w08\\\" \\x41w09 \\u20acw10 \xC3\xA9w11 \\\n   w12\n   w13\n\n   w14\"\n"
      "w15: 'it''s w16 ''w17''\n   w18'\n"
      "w19: |\n  w20\n    w21\n\n  w22\n"
      "w23: >-\n  w24\n  w25\n\n  w26\n    w27\n  w28\n"
      "'w29': [w30, 'w31', {w32: \"w33\", w34: w35}]\n"
      "\"w36\": |2+\n    w37\n  w38\n\n"
      "w39: >\n\n  w40\n  w41\n"
      "w42: |   # comment\n      w43\n\n\n      w44\n"
      "d:\n  - w45: \"\\tw46\"\n    w47: |\n      w48\n  - w49\n"));
  CHECK(check_all_words(tree) == 49);
}

TEST_CASE("yaml tree: places hold with CR LF line ends, tabs and a byte order mark") {
  const YamlNode tree =
      tree_of(file_of("\xEF\xBB\xBFw01:\tw02\r\nw03: \"a\r\n  w04\\\"w05\"\r\nw06: |\r\n  w07\r\n  "
                      "w08\r\nw09: w10\r\n"));
  CHECK(check_all_words(tree) == 10);
  CHECK(tree.find("w06")->scalar.text == "w07\nw08\n");
}

TEST_CASE(
    "yaml tree: a span over escapes is as long as it stands in the file, one over lines ends with "
    "its line") {
  const YamlNode tree = tree_of(file_of("a: \"\\\"x\\\" in y\"\nb: one\n  two\n"));
  const Scalar& escaped = tree.find("a")->scalar;
  CHECK(at(escaped.span(0, 3)) == "\\\"x\\\"");
  CHECK(at(escaped.whole()) == "\\\"x\\\" in y");
  CHECK(at(escaped.span(escaped.text.size(), 1)) == "\"");
  const Scalar& folded = tree.find("b")->scalar;
  CHECK(folded.text == "one two");
  CHECK(folded.whole().line == 2);
  CHECK(at(folded.whole()).starts_with("one"));
  CHECK(folded.whole().length <= 4);
  CHECK(folded.span(4, 3).line == 3);
}

TEST_CASE("yaml tree: a comment behind a plain value is noticed, behind a quoted one not") {
  const YamlNode tree =
      tree_of(file_of("a: x # c\nb: x#y\nc: 'x' # c\nd: x\n# c\ne: [p, q] # c\nf: x\t# c\n"));
  CHECK(tree.find("a")->comment_cut);
  CHECK_FALSE(tree.find("b")->comment_cut);
  CHECK(tree.find("b")->scalar.text == "x#y");
  CHECK_FALSE(tree.find("c")->comment_cut);
  CHECK_FALSE(tree.find("d")->comment_cut);
  CHECK_FALSE(tree.find("e")->items[1].comment_cut);
  CHECK(tree.find("f")->comment_cut);
}

TEST_CASE("yaml tree: duplicate keys are errors in small and large maps and name the first line") {
  CHECK(first_error("a: 1\nb: 2\na: 3\n") ==
        "E103 3:1 duplicate key `a`; it stands in line 1 already");
  std::string large;
  for (int i = 0; i < 100; ++i) large += "k" + std::to_string(i) + ": v\n";
  CHECK(first_error(large + "k5: w\n") ==
        "E103 101:1 duplicate key `k5`; it stands in line 6 already");
  Diagnostics diagnostics;
  const YamlNode tree = parse_yaml(file_of(large + large), diagnostics);
  CHECK(diagnostics.errors() == 100);
  CHECK(tree.entries.size() == 100);
}

TEST_CASE("yaml tree: anchors, aliases, merge keys and tags are allowed below x- keys only") {
  CHECK(first_error("a: &b c\n") == "E101 1:4 anchors are not allowed (only below x-... keys)");
  CHECK(first_error("a: &b [c]\n") == "E101 1:4 anchors are not allowed (only below x-... keys)");
  CHECK(first_error("x-a: &b c\nd: *b\n") ==
        "E101 2:4 aliases are not allowed (only below x-... keys)");
  CHECK(first_error("<<: {a: b}\n") ==
        "E101 1:1 merge keys are not allowed (only below x-... keys)");
  CHECK(first_error("a: !!str b\n") == "E101 1:4 tags are not allowed");
  CHECK(first_error("a:\n  x-b: &c d\n").starts_with("E101 2:8 anchors"));
  const YamlNode tree = tree_of(file_of("x-a:\n  p: &b {c: d}\n  q: {<<: *b, e: !!int 5}\nf: g\n"));
  CHECK(tree.find("f")->scalar.text == "g");
}

TEST_CASE("yaml tree: syntax errors say where, and how to quote a condition or text") {
  CHECK(first_error("- when: \"x\" in dkim.domains\n") ==
        "E101 1:13 this does not continue the map: wrong indentation, or text behind a closing "
        "quote; put the whole value in "
        "single quotes");
  CHECK(first_error("text: see: here\n") ==
        "E101 1:10 `: ` inside an unquoted value; put the whole value in single quotes");
  CHECK(first_error("name: see: here\n") == "E101 1:10 `: ` inside an unquoted value");
  CHECK(first_error("a: \"b\nc: d\n") == "E101 1:4 the quote that begins here is never closed");
  CHECK(first_error("a: 'b\n\n") == "E101 1:4 the quote that begins here is never closed");
  CHECK(first_error("a: {b: c\nd: e\n").starts_with("E101 "));
  CHECK(first_error("a: b\n---\nc: d\n").find("a second one begins here") != std::string::npos);
  CHECK(first_error("? [a]\n: b\n").find("a key is one word or text") != std::string::npos);
  CHECK(first_error("a: b\n\tc: d\n").starts_with("E101 2:"));
  CHECK(first_error(std::string("a: b\0c\n", 7)).find("control character") != std::string::npos);
  CHECK(first_error("\xFF\xFE"
                    "a")
            .find("UTF-16") != std::string::npos);
}

TEST_CASE("yaml tree: depth is bounded") {
  const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  tree_of(file_of(nested(kMaxYamlDepth)));
  CHECK(first_error(nested(kMaxYamlDepth + 1)).find("nested deeper than 64") != std::string::npos);
  CHECK(first_error(std::string(100'000, '[')).find("nested deeper") != std::string::npos);
}

TEST_CASE("yaml tree: a file that cannot be read is an error that says why") {
  CHECK(read_source("/nonexistent/x.yaml").error().what ==
        "cannot read /nonexistent/x.yaml: No such file or directory");
  CHECK(read_source("/").error().what == "cannot read /: it is a folder");
  CHECK(read_source("/").error().cause == Cause::Config);
}
