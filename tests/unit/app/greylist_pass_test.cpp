#include "app/greylist_pass.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "facts/fact.h"
#include "policy/compiler.h"
#include "policy/policy_source.h"

using namespace sluice;

namespace {

std::string guide() {
  std::ifstream file(SLUICE_SOURCE_DIR "/docs/guide/greylisting.md");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string between(const std::string& text, const std::string& begin, const std::string& end) {
  const std::size_t at = text.find(begin);
  REQUIRE(at != std::string::npos);
  const std::size_t from = at + begin.size();
  return text.substr(from, text.find(end, from) - from);
}

}  // namespace

TEST_CASE("greylist allow: the entry in the guide is one of the guide's policy") {
  const std::string page = guide();
  const std::string policy = between(page, "```yaml\n", "```");
  const std::string name = between(page, "sluice greylist allow \"", "\"\n");
  Diagnostics diagnostics;
  const auto source = policy::load_policy_text("guide.yaml", policy, diagnostics);
  const auto program = policy::compile(source, facts::built_in_vocabulary(), {}, diagnostics);
  REQUIRE(program);
  const auto pass = app::pass_of(*program, name);
  INFO((pass ? "" : pass.error().what));
  REQUIRE(pass);
  CHECK(pass->name == name);
}
