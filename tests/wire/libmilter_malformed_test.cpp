// What libmilter itself does with malformed input: the table of
// docs/decisions/0007-malformed-milter-peers.md holds, and the attack that Sluice is tested with is one
// that libmilter lives through.
#include <catch2/catch.hpp>
#include <future>

#include "attack.h"
#include "honest_crowd.h"
#include "malformed_case.h"
#include "running_filter.h"

using namespace sluice::wire_test;
using namespace std::chrono_literals;

TEST_CASE("libmilter: does with each malformed input what is written down") {
  EmptyFilter filter("all");
  const auto& cases = malformed_cases();
  constexpr std::size_t kAtOnce = 8;
  for (std::size_t begin = 0; begin < cases.size(); begin += kAtOnce) {
    std::vector<std::future<std::optional<std::string>>> seen;
    const std::size_t end = std::min(begin + kAtOnce, cases.size());
    for (std::size_t i = begin; i < end; ++i)
      seen.push_back(std::async(std::launch::async,
                                [&, i] { return observe(filter->endpoint(), cases[i], 60s); }));
    for (std::size_t i = begin; i < end; ++i) {
      INFO(cases[i].name);
      CHECK(seen[i - begin].get().value_or("state not reached") == cases[i].libmilter);
    }
  }
  CHECK(filter->is_alive());
}

TEST_CASE("libmilter: lives through a stream of broken sessions and serves the others") {
  EmptyFilter filter("all");
  HonestCrowd crowd(filter->endpoint(), 4, "");
  const AttackResult result = attack(filter->endpoint(), 1, 3000);
  CHECK(crowd.wait_for_answers(200, 90s));
  CrowdResult seen = crowd.stop();
  CHECK(result.refused == 0);
  CHECK(result.frames >= 3000);
  CHECK(filter->is_alive());
  INFO(seen.first_wrong);
  CHECK(seen.wrong == 0);
}
