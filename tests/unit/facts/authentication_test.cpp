#include <catch2/catch.hpp>

#include "fact_fixture.h"

namespace sluice::facts {

TEST_CASE("dkim, dmarc, arc: what nobody verifies is unknown, never a pass and never a fail") {
  FactFixture f;
  for (const char* name :
       {"dkim.result", "dkim.domains", "dmarc.result", "dmarc.policy", "arc.result", "arc.sealer"})
    CHECK(f.ask(name) == policy::Value(policy::Unknown{policy::UnknownReason::Unsupported}));
}

}  // namespace sluice::facts
