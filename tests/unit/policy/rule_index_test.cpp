// Rules found by the text of a fact.
#include <catch2/catch.hpp>
#include <map>

#include "compiled.h"
#include "named_facts.h"

using namespace sluice;
using namespace sluice::policy;
using namespace sluice::policy::testing;

namespace {

// A policy of many conditions at MAIL; the names of those that have to be tried.
std::string tried(const std::vector<std::string>& conditions, std::map<std::string, Value> facts,
                  std::vector<std::string>* asked = nullptr) {
  std::string text = "sluice: 1\npolicy: p\nrules:\n";
  for (std::size_t i = 0; i < conditions.size(); ++i)
    text += "  - rule: r" + std::to_string(i) + "\n    stage: mail\n    when: '" + conditions[i] +
            "'\n    then: log \"x\"\n";
  const Compiled c = compile_text(text);
  INFO(c.diagnostics.render());
  REQUIRE(c.program);
  NamedFacts source(*c.program, std::move(facts));
  std::vector<RuleId> found;
  c.program->candidates(mail::Stage::Mail, source, found);
  if (asked != nullptr) *asked = source.asked;
  std::string names;
  for (const RuleId id : found) names += (names.empty() ? "" : " ") + c.program->rule(id).name;
  return names;
}

std::map<std::string, Value> from(const std::string& domain) {
  return {{"sender.domain", Value(domain)}, {"helo.name", Value("mail." + domain)}};
}

}  // namespace

TEST_CASE("rules that want a text are tried only when the fact has it") {
  const std::vector<std::string> equal = {
      R"(sender.domain == "a.example")", R"(sender.domain == "b.example")",
      R"("A.Example" == sender.domain)", R"(sender.domain in ["c.example", "b.example"])",
      R"(sender.domain != "a.example")"};
  CHECK(tried(equal, from("a.example")) == "r0 r2 r4");
  CHECK(tried(equal, from("B.example")) == "r1 r3 r4");
  CHECK(tried(equal, from("d.example")) == "r4");
}

TEST_CASE("rules that want a parent domain, a beginning or an end are found by it") {
  std::vector<std::string> under, starts, ends;
  for (const std::string name : {"a.example", "b.a.example", "b.example", "example"}) {
    under.push_back("sender.domain under \"" + name + "\"");
    starts.push_back("helo.name starts_with \"mail." + name + "\"");
    ends.push_back("helo.name ends_with \"" + name + "\"");
  }
  CHECK(tried(under, from("x.b.a.example")) == "r0 r1 r3");
  CHECK(tried(under, from("xa.example")) == "r3");
  CHECK(tried(starts, from("b.a.example")) == "r1");
  CHECK(tried(starts, from("A.EXAMPLE.com")) == "r0");
  CHECK(tried(ends, from("xb.example")) == "r2 r3");
}

TEST_CASE("rules with regular expressions are found by all of them at once") {
  const std::vector<std::string> patterns = {
      R"(helo.name =~ /^mail[.]a/)", R"(helo.name =~ /EXAMPLE$/i)", R"(helo.name =~ /EXAMPLE$/)",
      R"(helo.name =~ /^x/)", R"(helo.name !~ /^x/)"};
  CHECK(tried(patterns, from("a.example")) == "r0 r1 r4");
}

TEST_CASE("one condition of several that must hold is enough to find a rule") {
  std::vector<std::string> both;
  for (const std::string name : {"a", "b", "c", "d"})
    both.push_back("spf.result == fail and sender.domain == \"" + name + ".example\"");
  both.push_back("spf.result == fail or sender.domain == \"a.example\"");
  std::vector<std::string> asked;
  CHECK(tried(both, from("c.example"), &asked) == "r2 r4");
  // What costs a look-up is not asked to find rules.
  CHECK(asked == std::vector<std::string>{"sender.domain"});
}

TEST_CASE("a fact that is not known makes all of its rules candidates, none makes none") {
  const std::vector<std::string> equal = {
      R"(sender.domain == "a.example")", R"(sender.domain == "b.example")",
      R"(sender.domain == "c.example")", R"(sender.domain == "d.example")"};
  CHECK(tried(equal, {}) == "r0 r1 r2 r3");
  CHECK(tried(equal, {{"sender.domain", Value(Unknown{UnknownReason::Timeout})}}) == "r0 r1 r2 r3");
  CHECK(tried(equal, {{"sender.domain", Value()}}).empty());
}
