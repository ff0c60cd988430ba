#include <catch2/catch.hpp>

#include "backends/redis_client.h"

using namespace sluice::backends;

TEST_CASE("redis script: its name is the SHA1 that Redis gives it") {
  // As `redis-cli script load` answers.
  const RedisScript script = make_redis_script("return 1");
  REQUIRE(script.source == "return 1");
  REQUIRE(script.sha1 == "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
  REQUIRE(make_redis_script("").sha1 == "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}
