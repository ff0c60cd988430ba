#include "base/diagnostic.h"

#include <catch2/catch.hpp>
#include <string>

using namespace sluice;

namespace {

SourceFilePtr file_of(std::string text, std::string name = "broken.yaml") {
  return std::make_shared<const SourceFile>(std::move(name), std::move(text));
}

std::string rendered(std::string line, std::uint32_t column, std::uint32_t length) {
  return render(Diagnostic{
      Severity::Error, "E101", "wrong", {file_of(std::move(line), "f"), 1, column, length}});
}

}  // namespace

TEST_CASE("source file: lines count from 1, whatever ends them") {
  const SourceFile file("f", "one\r\ntwo\n\nfour");
  CHECK(file.line_count() == 4);
  CHECK(file.line(0).empty());
  CHECK(file.line(1) == "one");
  CHECK(file.line(2) == "two");
  CHECK(file.line(3).empty());
  CHECK(file.line(4) == "four");
  CHECK(file.line(5).empty());
  CHECK(SourceFile("f", "").line_count() == 0);
  CHECK(SourceFile("f", "\n").line_count() == 1);
}

TEST_CASE(
    "diagnostic: position, code, message, the line behind eight blanks, carets under the span") {
  const auto file = file_of("rules:\n  - rule: typo\n    when: sender.domian in $local_domains\n");
  CHECK(
      render({Severity::Error,
              "E202",
              "unknown fact `sender.domian`; did you mean `sender.domain`?",
              {file, 3, 11, 13}}) ==
      "broken.yaml:3:11: error E202: unknown fact `sender.domian`; did you mean `sender.domain`?\n"
      "        when: sender.domian in $local_domains\n"
      "              ^~~~~~~~~~~~~\n");
  CHECK(render({Severity::Warning, "W501", "421 at rcpt closes the connection", {file, 2, 5, 1}}) ==
        "broken.yaml:2:5: warning W501: 421 at rcpt closes the connection\n"
        "        - rule: typo\n"
        "          ^\n");
}

TEST_CASE("diagnostic: odd spans still render") {
  CHECK(rendered("ab", 3, 1) == "f:1:3: error E101: wrong\n        ab\n          ^\n");
  CHECK(rendered("ab", 99, 5) == "f:1:99: error E101: wrong\n        ab\n          ^\n");
  CHECK(rendered("ab", 0, 0) == "f:1:0: error E101: wrong\n        ab\n        ^\n");
  CHECK(rendered("ab", 1, 99) == "f:1:1: error E101: wrong\n        ab\n        ^~\n");
  CHECK(rendered("    ab", 2, 1) == "f:1:2: error E101: wrong\n           ab\n        ^\n");
  CHECK(rendered("\t\tab\tc", 6, 1) == "f:1:6: error E101: wrong\n        ab c\n           ^\n");
  CHECK(rendered("ü \x1b\xff x", 7, 1) ==
        "f:1:7: error E101: wrong\n        ü ?? x\n             ^\n");
  CHECK(rendered("x üü", 3, 4) == "f:1:3: error E101: wrong\n        x üü\n          ^~\n");
}

TEST_CASE("diagnostic: without a line or a file the text stands alone") {
  CHECK(render({Severity::Error, "E101", "no such file", {file_of("", "gone.yaml"), 0, 0, 0}}) ==
        "gone.yaml: error E101: no such file\n");
  CHECK(render({Severity::Error, "E101", "no such\nfile", {}}) == "error E101: no such?file\n");
  CHECK(render({Severity::Error, "E101", "cut short", {file_of("a\n"), 7, 1, 1}}) ==
        "broken.yaml:7:1: error E101: cut short\n");
}

TEST_CASE("diagnostic: bytes that are no UTF-8, and controls, reach neither a terminal nor the log") {
  const Diagnostic d{Severity::Error, "E106", "`a\xff\x1b[2Jb` \xc2\x9b \xc3\xa9", {}};
  CHECK(render(d) == "error E106: `a??[2Jb` ? \xc3\xa9\n");
}

TEST_CASE("diagnostic: a very long line is cut around the span") {
  const std::string text =
      rendered(std::string(100'000, 'x') + "HERE" + std::string(100'000, 'y'), 100'001, 4);
  CHECK(text.size() < 600);
  CHECK(text.find("\n        " + std::string(100, 'x') + "HEREyyy") != std::string::npos);
  CHECK(text.find("\n        " + std::string(100, ' ') + "^~~~\n") != std::string::npos);
}

TEST_CASE("diagnostics: sorted by place, counted beyond what is kept") {
  const auto a = file_of("x\ny\n", "a");
  const auto b = file_of("x\n", "b");
  Diagnostics list;
  list.warning("W1", {b, 1, 1, 1}, "last");
  list.error("E2", {a, 2, 1, 1}, "third");
  list.error("E1", {a, 1, 2, 1}, "second");
  Diagnostics other;
  other.error("E0", {a, 1, 1, 1}, "first");
  list.append(other);
  CHECK(list.errors() == 3);
  CHECK(list.warnings() == 1);
  CHECK_FALSE(list.ok());
  const std::string text = list.render();
  CHECK(text.find("first") < text.find("second"));
  CHECK(text.find("second") < text.find("third"));
  CHECK(text.find("third") < text.find("last"));

  Diagnostics many;
  for (int i = 0; i < 1500; ++i) many.error("E1", {a, 1, 1, 1}, "again");
  CHECK(many.all().size() == Diagnostics::kMaxDiagnostics);
  CHECK(many.errors() == 1500);
  list.append(many);
  CHECK(list.errors() == 1503);
  CHECK(list.all().size() == Diagnostics::kMaxDiagnostics);
}

TEST_CASE("nearest: one slip in three letters is near, more is not") {
  const std::vector<std::string_view> words{"sender.domain", "sender.address", "rcpt.domain",
                                            "when",          "on_unknown",     "pass"};
  CHECK(nearest("sender.domian", words) == "sender.domain");
  CHECK(nearest("SENDER.DOMAIN", words) == "sender.domain");
  CHECK(nearest("on_unkown", words) == "on_unknown");
  CHECK(nearest("psas", words) == "pass");
  CHECK(nearest("wehn", words) == "when");
  CHECK(nearest("xy", words).empty());
  CHECK(nearest("", words).empty());
  CHECK(nearest("colour", words).empty());
  CHECK(nearest(std::string(10'000, 'a'), words).empty());
}
