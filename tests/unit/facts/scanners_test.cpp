#include <catch2/catch.hpp>

#include "fact_fixture.h"

namespace sluice::facts {
using policy::Value;

TEST_CASE("spam: pending until the scanner answered, unknown when it is away") {
  FactFixture f;
  CHECK_FALSE(f.ask("spam.score").has_value());
  f.spam_ = backends::SpamAnswer{};
  CHECK(f.ask("spam.score") == Value(policy::Unknown{policy::UnknownReason::Scanner}));
  f.spam_ = backends::SpamAnswer{true, 7.5, "add header", {"A", "B"}};
  CHECK(f.ask("spam.score") == Value(7.5));
  CHECK(f.ask("spam.action") == Value("add header"));
  CHECK(f.ask("spam.symbols")->get<policy::ValuesPtr>()->size() == 2);
}

TEST_CASE("virus: away is never clean") {
  FactFixture f;
  f.virus_ = backends::VirusAnswer{};
  CHECK(f.ask("virus.found")->is_unknown());
  f.virus_ = backends::VirusAnswer{true, std::nullopt};
  CHECK(f.ask("virus.found") == Value(false));
  CHECK(f.ask("virus.name") == Value());
  f.virus_ = backends::VirusAnswer{true, "Eicar"};
  CHECK(f.ask("virus.found") == Value(true));
  CHECK(f.ask("virus.name") == Value("Eicar"));
}

}  // namespace sluice::facts
