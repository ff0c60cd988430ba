#include "backends/settled_ids.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "backends/state_store.h"

using namespace sluice;
using namespace sluice::backends;

TEST_CASE("settled ids are known for two minutes, as a plain map knows them") {
  std::mt19937_64 random(11);
  SettledIds ids(1'000'000);
  std::map<std::uint64_t, TimePoint> plain;
  TimePoint now{};
  for (int step = 0; step < 200'000; ++step) {
    now += Duration{random() % 20};
    // Few different ids, many of which share their first slots.
    const std::uint64_t id = (random() % 64) * 4096 + random() % 40 + 1;
    const auto known = plain.find(id);
    const bool expected = known != plain.end() && known->second + kSettledMemory > now;
    if (ids.contains(id, now) != expected) FAIL("step " << step << ", id " << id);
    if (random() % 2 == 0 && !expected) {
      ids.insert(id, now);
      plain[id] = now;
    }
  }
  CHECK(ids.size() > 100);
}

TEST_CASE("more settled ids than may be kept push out the oldest") {
  SettledIds ids(100);
  for (std::uint64_t id = 1; id <= 150; ++id) ids.insert(id, TimePoint{});
  CHECK_FALSE(ids.contains(1, TimePoint{}));
  CHECK_FALSE(ids.contains(50, TimePoint{}));
  CHECK(ids.contains(51, TimePoint{}));
  CHECK(ids.contains(150, TimePoint{}));
  CHECK(ids.size() == 100);
}
