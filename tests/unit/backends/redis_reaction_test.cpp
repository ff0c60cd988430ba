#include "backends/redis_reaction.h"

#include <catch2/catch.hpp>

using namespace sluice::backends;
using R = RedisReaction;

TEST_CASE("redis reaction: each error of a real server has its row") {
  struct {
    std::string_view error;
    R reaction;
  } const rows[] = {
      {"MOVED 3999 127.0.0.1:6381", R::Move},
      {"ASK 3999 127.0.0.1:6381", R::Ask},
      {"TRYAGAIN Multiple keys request during rehashing of slot", R::TryAgain},
      {"CROSSSLOT Keys in request don't hash to the same slot", R::Misuse},
      {"CLUSTERDOWN The cluster is down", R::Away},
      {"CLUSTERDOWN Hash slot not served", R::Away},
      {"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", R::Away},
      {"LOADING Redis is loading the dataset in memory", R::Away},
      {"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
       R::Away},
      {"NOSCRIPT No matching script. Please use EVAL.", R::SendScript},
      {"READONLY You can't write against a read only replica.", R::Follow},
      {"READONLY You can't write against a read only replica. script: 1f, on @user_script:1.",
       R::Follow},
      {"NOREPLICAS Not enough good replicas to write.", R::Rediscover},
      {"OOM command not allowed when used memory > 'maxmemory'.", R::Refuse},
      {"OOM command not allowed when used memory > 'maxmemory'. script: 1f, on @user_script:1.",
       R::Refuse},
      {"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to "
       "disk.",
       R::Refuse},
      {"NOAUTH Authentication required.", R::Forbid},
      {"WRONGPASS invalid username-password pair or user is disabled.", R::Forbid},
      {"NOPERM this user has no permissions to run the 'evalsha' command", R::Forbid},
      {"ERR The user executing the script can't run this command or subcommand script: 1f, on "
       "@user_script:1.",
       R::Forbid},
      {"ERR max number of clients reached", R::BackOff},
      {"WRONGTYPE Operation against a key holding the wrong kind of value script: 1f, on "
       "@user_script:1.",
       R::Answer},
      {"ERR value is not an integer or out of range script: 1f, on @user_script:1.", R::Answer},
      {"ERR", R::Answer},
      {"", R::Answer},
      {"MOVEDON", R::Answer},
      {"BUSYKEY Target key name already exists.", R::Answer},
  };
  for (const auto& row : rows) {
    INFO(row.error);
    CHECK(redis_reaction(row.error) == row.reaction);
  }
}

TEST_CASE("redis reaction: redirects say where") {
  const auto moved = parse_redis_redirect("MOVED 3999 127.0.0.1:6381");
  REQUIRE(moved);
  CHECK(moved->slot == 3999);
  CHECK(moved->host == "127.0.0.1");
  CHECK(moved->port == 6381);
  CHECK(parse_redis_redirect("ASK 0 ::1:6381")->host == "::1");
  CHECK(parse_redis_redirect("MOVED 16383 :6381")->host.empty());
  for (const std::string_view bad :
       {"MOVED", "MOVED 1", "MOVED x 127.0.0.1:1", "MOVED 16384 127.0.0.1:1",
        "MOVED -1 127.0.0.1:1", "MOVED 1 127.0.0.1", "MOVED 1 127.0.0.1:0",
        "MOVED 1 127.0.0.1:65536", "MOVED 1 h:1 more", "ERR 1 127.0.0.1:1", ""}) {
    INFO(bad);
    CHECK_FALSE(parse_redis_redirect(bad));
  }
}
