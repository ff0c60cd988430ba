#include "backends/callout_cache.h"

#include <catch2/catch.hpp>

using namespace sluice;
using namespace sluice::backends;
using std::chrono::hours;
using std::chrono::minutes;

TEST_CASE("callout cache: an outcome is known until its time is over") {
  CalloutCache cache;
  const CalloutCache::Time start{};
  cache.insert("ann@far.example", {CalloutStatus::Accepted, "said"}, hours(1), start);
  REQUIRE(cache.find("ann@far.example", start + minutes(59)) != nullptr);
  CHECK(cache.find("ann@far.example", start + minutes(59))->said == "said");
  CHECK(cache.find("bob@far.example", start) == nullptr);
  CHECK(cache.find("ann@far.example", start + minutes(60)) == nullptr);
  CHECK(cache.size() == 0);
}

TEST_CASE("callout cache: the last outcome counts, and one that is not kept takes the old away") {
  CalloutCache cache;
  cache.insert("a@b", {CalloutStatus::NoAnswer, ""}, hours(1), {});
  cache.insert("a@b", {CalloutStatus::Accepted, ""}, hours(1), {});
  CHECK(cache.find("a@b", {})->status == CalloutStatus::Accepted);
  cache.insert("a@b", {CalloutStatus::Budget, ""}, Duration{0}, {});
  CHECK(cache.find("a@b", {}) == nullptr);
}

TEST_CASE("callout cache: a flood of addresses pushes out what was not asked for lately") {
  CalloutCache cache(100);
  cache.insert("known@far.example", {CalloutStatus::Accepted, ""}, hours(1), {});
  for (int i = 0; i < 10'000; ++i) {
    cache.insert(std::to_string(i) + "@forged.example", {CalloutStatus::Refused, ""}, hours(1), {});
    if (i % 50 == 0) CHECK(cache.find("known@far.example", {}) != nullptr);
    CHECK(cache.size() <= 100);
  }
  CHECK(cache.find("0@forged.example", {}) == nullptr);
  CHECK(cache.find("9999@forged.example", {}) != nullptr);
}

TEST_CASE("callout cache: a yes is kept longest, our own failures not at all") {
  const Duration day = hours(24);
  CHECK(kept_for(CalloutStatus::Accepted, day) == day);
  CHECK(kept_for(CalloutStatus::Refused, day) == hours(2));
  CHECK(kept_for(CalloutStatus::Refused, minutes(1)) == minutes(1));
  for (const auto status : {CalloutStatus::NoAnswer, CalloutStatus::Dropped,
                            CalloutStatus::Temporary, CalloutStatus::Undecided}) {
    CHECK(kept_for(status, day) >= minutes(5));
    CHECK(kept_for(status, day) <= minutes(15));
  }
  for (const auto status : {CalloutStatus::ServFail, CalloutStatus::Timeout, CalloutStatus::Budget,
                            CalloutStatus::NotConfigured})
    CHECK(kept_for(status, day) == Duration{0});
}
