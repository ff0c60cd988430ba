// rooms: policy
// The compiled program against its naive twin, and against itself with facts that arrive in any
// order. SLUICE_EVALUATIONS sets how many evaluations are compared (100,000); SLUICE_SEED where the
// generator begins.
#include <catch2/catch.hpp>
#include <cstdlib>

#include "naive_evaluator.h"

using namespace sluice;
using namespace sluice::policy;
using namespace sluice::policy::conformance;

namespace {

constexpr std::size_t kRulesInPolicy = 100;
constexpr std::size_t kWorldsForPolicy = 10;

std::size_t number_from(const char* variable, std::size_t otherwise) {
  const char* given = std::getenv(variable);
  return given ? std::strtoull(given, nullptr, 10) : otherwise;
}

struct Generated {
  PolicySource source;
  ProgramPtr program;
};

std::string in_single_quotes(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out.append(c == '\'' ? "'" : "").push_back(c);
  return out + "'";
}

Generated generate(Random& random) {
  ExpressionGenerator expressions(random);
  std::string text = kDeclarations;
  for (std::size_t i = 0; i < kRulesInPolicy; ++i)
    text += "  - rule: r" + std::to_string(i) +
            "\n    stage: end\n    when: " + in_single_quotes(i % 2 == 0 ? expressions.condition(4) : expressions.findable()) +
            "\n    then: log \"x\"\n";
  Diagnostics diagnostics;
  Generated made;
  made.source = load_policy_text("generated.yaml", text, diagnostics);
  made.program = compile(made.source, small_vocabulary(), {}, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(made.program);
  return made;
}

std::string described(const TruthOutcome& outcome) {
  constexpr const char* kNames[] = {"false", "true", "unknown", "pending"};
  std::string text = kNames[static_cast<std::size_t>(outcome.truth)];
  if (outcome.truth == Truth::Unknown)
    text += "(" + std::string(outcome.unknown_fact) + " " +
            std::string(reason_name(outcome.reason)) + ")";
  return text;
}

Truth truth_of(const Value& value) {
  if (value.is_unknown()) return Truth::Unknown;
  const bool* truth = value.get_if<bool>();
  return truth && *truth ? Truth::True : Truth::False;
}

}  // namespace

TEST_CASE("evaluation: the compiled program and the naive walk of the tree agree") {
  Random random(number_from("SLUICE_SEED", 20'261'125));
  const std::size_t wanted = number_from("SLUICE_EVALUATIONS", 100'000);
  std::size_t done = 0, found = 0, outcomes[3] = {0, 0, 0};
  std::vector<RuleId> candidates;
  while (done < wanted) {
    const Generated made = generate(random);
    for (std::size_t w = 0; w < kWorldsForPolicy; ++w) {
      const World world = WorldGenerator(random).make();
      ArrivingFacts facts(world, *made.program, true);
      NaiveEvaluator naive(made.source, world);
      made.program->candidates(mail::Stage::End, facts, candidates);
      REQUIRE(std::is_sorted(candidates.begin(), candidates.end()));
      found += kRulesInPolicy - candidates.size();
      for (RuleId id = 0; id < kRulesInPolicy; ++id, ++done) {
        const TruthOutcome outcome = made.program->test(made.program->rule(id).condition, facts);
        const Truth expected = truth_of(naive.of(made.source.rules[id].when[0]));
        ++outcomes[static_cast<std::size_t>(expected)];
        const bool is_tried = std::binary_search(candidates.begin(), candidates.end(), id);
        if (outcome.truth == expected && (is_tried || expected == Truth::False)) continue;
        INFO(render_expression(made.source.rules[id].when[0]));
        for (const auto& [name, value] : world.facts)
          UNSCOPED_INFO(name << " = " << render_value(value));
        CHECK(described(outcome) == described({expected, UnknownReason::Timeout, {}}));
        REQUIRE(outcome.truth == expected);
        REQUIRE(is_tried);
      }
    }
  }
  // A generator that only makes one outcome would prove nothing.
  for (const std::size_t count : outcomes) CHECK(count > wanted / 20);
  CHECK(found > wanted / 100);
}

TEST_CASE(
    "evaluation: the order in which facts arrive changes nothing, and what was decided stays "
    "decided") {
  Random random(number_from("SLUICE_SEED", 20'261'125) + 1);
  const std::size_t wanted = number_from("SLUICE_EVALUATIONS", 100'000) / 10;
  std::size_t done = 0, early = 0;
  while (done < wanted) {
    const Generated made = generate(random);
    const World world = WorldGenerator(random).make();
    ArrivingFacts all(world, *made.program, true);
    for (RuleId id = 0; id < kRulesInPolicy; ++id, ++done) {
      const ExprId condition = made.program->rule(id).condition;
      const std::string expected = described(made.program->test(condition, all));
      INFO(render_expression(made.source.rules[id].when[0]));
      ArrivingFacts facts(world, *made.program, false);
      TruthOutcome outcome = made.program->test(condition, facts);
      while (outcome.truth == Truth::Pending) {
        REQUIRE_FALSE(facts.requested().empty());
        const auto next =
            std::next(facts.requested().begin(),
                      static_cast<std::ptrdiff_t>(below(random, facts.requested().size())));
        facts.deliver(std::string(*next));
        outcome = made.program->test(condition, facts);
      }
      if (!facts.requested().empty()) ++early;
      if (described(outcome) != expected) REQUIRE(described(outcome) == expected);
      facts.deliver_all();
      const std::string later = described(made.program->test(condition, facts));
      if (later != expected) REQUIRE(later == expected);
    }
  }
  CHECK(early > wanted / 20);  // some were decided before all they had asked for was there
}
