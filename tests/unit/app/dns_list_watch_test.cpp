#include "app/dns_list_watch.h"

#include <catch2/catch.hpp>

#include "facts/fact.h"
#include "policy/policy_source.h"

namespace sluice::app {
namespace {

policy::ProgramPtr compiled(const std::string& name) {
  Diagnostics diagnostics;
  const auto source = policy::load_policy_text(
      "test.yaml",
      "sluice: 1\npolicy: " + name +
          "\nrules:\n  - rule: r\n    stage: rcpt\n    when: sender.address is set\n    then: reject 550 5.7.1\n",
      diagnostics);
  auto program = policy::compile(source, facts::built_in_vocabulary(), {}, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(program != nullptr);
  return program;
}

}  // namespace

TEST_CASE("the program that is followed is told of once") {
  FollowedProgram followed;
  const auto program = compiled("one");
  int told = 0;
  for (int i = 0; i < 3; ++i) followed.follow(program, [&](const policy::Program&) { ++told; });
  CHECK(told == 1);
}

TEST_CASE("a program that was loaded where an old one had been is told of") {
  FollowedProgram followed;
  std::vector<std::string> told;
  std::vector<std::string> names;
  for (int i = 0; i < 10; ++i) {
    names.push_back("p" + std::to_string(i));
    // Nobody else keeps it: the next one may get its address.
    followed.follow(compiled(names.back()),
                    [&](const policy::Program& program) { told.push_back(program.policy()); });
  }
  CHECK(told == names);
}

}  // namespace sluice::app
