// rooms: policy
// Line by line an expression, a reply text and a list item: a policy made of them is refused with a
// diagnostic, or it gives a decided answer once every fact is there, the same one twice.
#include <cstdint>
#include <string>

#include "../conformance/generated_facts.h"
#include "require.h"

using namespace sluice;
using namespace sluice::policy;
using sluice::fuzz::require;

namespace {

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) continue;  // YAML has no place for them
    out.append(c == '\'' ? "'" : "").push_back(c);
  }
  return out + "'";
}

std::string take_line(std::string& rest) {
  const std::size_t end = std::min(rest.find('\n'), rest.size());
  const std::string line = rest.substr(0, end);
  rest.erase(0, end + 1);
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  std::string rest(reinterpret_cast<const char*>(bytes), size);
  const std::string when = take_line(rest), text = take_line(rest), item = take_line(rest);
  std::string policy = conformance::kDeclarations;
  policy.replace(policy.find("lists:\n"), 7,
                 "lists:\n  given: {type: domain, items: [" + quoted(item) + "]}\n");
  policy += "  - rule: r\n    stage: end\n    when: " + quoted(when) +
            "\n    then: reject 550 5.7.1\n    text: " + quoted(text) + "\n";
  Diagnostics diagnostics;
  const PolicySource source = load_policy_text("fuzz.yaml", policy, diagnostics);
  const ProgramPtr program = compile(source, conformance::small_vocabulary(), {}, diagnostics);
  require((program != nullptr) == diagnostics.ok(),
          "a program is made exactly when there is no error");
  require(program != nullptr || !diagnostics.render().empty(), "a refused policy has a diagnostic");
  if (!program) return 0;
  conformance::Random random(size);
  const conformance::World world = conformance::WorldGenerator(random).make();
  conformance::ArrivingFacts facts(world, *program, true);
  const Truth first = program->test(program->rule(0).condition, facts).truth;
  require(first != Truth::Pending, "with every fact there nothing is pending");
  require(program->test(program->rule(0).condition, facts).truth == first,
          "the same facts give the same answer");
  require(program->render(program->rule(0).text, facts).has_value(),
          "with every fact there a text is rendered");
  return 0;
}
