// Random operations and clock jumps: every store gives every answer of the reference model.
// SLUICE_STORE_OPS and SLUICE_STORE_SEED give the number of operations and the seed
// (scripts/prove-store).
#include <catch2/catch.hpp>

#include "store_twins.h"

namespace sluice::backends {
namespace {

constexpr std::uint64_t kSeed = 20'261'125;

struct EmbeddedTwin {
  static constexpr bool kForgetsReservations = true;
  explicit EmbeddedTwin(const Clock& clock) { open(clock); }
  void open(const Clock& clock) {
    store.reset();
    store = open_store(folder.path(), clock);
  }
  static std::string key(const StateEntry& entry) { return entry.key; }

  TemporaryFolder folder;
  std::unique_ptr<EmbeddedStore> store;
};

TEST_CASE(
    "embedded store: gives the answers of the reference model to random operations, across "
    "restarts") {
  compare_with_the_model<EmbeddedTwin>(from_environment("SLUICE_STORE_OPS", 200'000),
                                       from_environment("SLUICE_STORE_SEED", kSeed));
}

// One group of keys: the reference has one clock for all of them. Refusals are asked again each
// time: a remembered one tells the use of the moment it was given.
template <class World>
struct RedisTwin {
  static constexpr bool kForgetsReservations = false;
  explicit RedisTwin(const Clock& clock) {
    World::servers().empty();
    open(clock);
    World::servers().empty();
  }
  void open(const Clock& clock) {
    store.reset();
    RedisStoreOptions options;
    options.server_clock = &clock;
    options.groups = 1;
    options.deny_cache = false;
    options.pepper = "of a random test, 32 bytes or more";
    store = open_redis_store(World::servers().options(), options);
  }
  std::string key(const StateEntry& entry) const {
    if (entry.kind == StateEntry::Kind::List) return entry.key;
    if (entry.kind == StateEntry::Kind::Limit)
      return store->shown_key(RedisKind::Limit, entry.key);
    if (entry.kind == StateEntry::Kind::Seen) return store->shown_key(RedisKind::Seen, entry.key);
    return store->shown_key(
        entry.state == "allowed" ? RedisKind::AutoAllow : RedisKind::Greylist, entry.key);
  }

  std::unique_ptr<RedisStore> store;
};

TEMPLATE_TEST_CASE("redis store: gives the answers of the reference model to random operations",
                   "[redis]", RedisSingle, RedisSentinel, RedisCluster) {
  if (const char* missing = TestType::missing()) {
    WARN(missing);
    return;
  }
  compare_with_the_model<RedisTwin<TestType>>(from_environment("SLUICE_REDIS_OPS", 8'000),
                                              from_environment("SLUICE_STORE_SEED", kSeed));
}

// By the definition and nothing else: what was let through, by the real time that passed, whatever
// the clock showed.
TEMPLATE_TEST_CASE("limits: never one more than the count in any window, whatever the clock does",
                   "[store]", STORE_WORLDS) {
  IN_WORLD(w);
  RandomOperations random(3);
  const std::vector<Window> windows{{7, s(10)}, {25, minutes(2)}};
  Duration real{0};
  std::vector<Duration> admitted;
  std::size_t refused = 0;
  for (ReservationId id = 1; id <= 10'000; ++id) {
    const auto op = reserve(id, "k", windows);
    if (ask(w.store, op).granted) {
      ask(w.store, commit(op));
      admitted.push_back(real);
    } else {
      ++refused;
    }
    auto step = ms(static_cast<std::int64_t>(random.below(1500)));
    if (random.one_in(100)) step = -ms(static_cast<std::int64_t>(random.below(3'600'000)));
    w.clock.advance(step);
    real += std::max(step, Duration{0});
  }
  REQUIRE(refused > 500);
  for (const auto& window : windows) {
    const auto count = static_cast<std::size_t>(window.count);
    std::size_t densest = 0;
    for (std::size_t i = count; i < admitted.size(); ++i) {
      if (admitted[i] - admitted[i - count] < window.period) ++densest;
    }
    CHECK(densest == 0);
  }
}

}  // namespace
}  // namespace sluice::backends
