#include "backends/callout_limits.h"

#include <catch2/catch.hpp>

using namespace sluice;
using namespace sluice::backends;
using Admission = CalloutLimits::Admission;
using std::chrono::seconds;

namespace {

IpAddress host(std::uint32_t number) { return IpAddress::from_v4(0x08000000u + number); }
std::string domain(int number) { return "d" + std::to_string(number) + ".example"; }

}  // namespace

TEST_CASE("callout limits: so many at once to one address, for one domain, and in all") {
  CalloutLimits limits({.sessions = 5, .per_target = 2, .per_minute = 1'000});
  const CalloutLimits::Time now{};
  CHECK(limits.admit(domain(1), host(1), now) == Admission::Go);
  CHECK(limits.admit(domain(1), host(2), now) == Admission::Go);
  CHECK(limits.admit(domain(1), host(3), now) == Admission::Wait);  // the domain
  CHECK(limits.admit(domain(2), host(1), now) == Admission::Go);
  CHECK(limits.admit(domain(3), host(1), now) == Admission::Wait);  // the address
  CHECK(limits.admit(domain(4), host(4), now) == Admission::Go);
  CHECK(limits.admit(domain(5), host(5), now) == Admission::Go);
  CHECK(limits.admit(domain(6), host(6), now) == Admission::Wait);  // in all
  limits.release(domain(1), host(1));
  CHECK(limits.admit(domain(6), host(6), now) == Admission::Go);
  CHECK(limits.open() == 5);
}

TEST_CASE("callout limits: so many a minute, and who waits pays nothing") {
  CalloutLimits limits({.sessions = 50, .per_target = 2, .per_minute = 6});
  CalloutLimits::Time now{};
  const auto ask = [&](int d, std::uint32_t h) {
    const auto admission = limits.admit(domain(d), host(h), now);
    if (admission == Admission::Go) limits.release(domain(d), host(h));
    return admission;
  };
  for (std::uint32_t i = 0; i < 6; ++i) CHECK(ask(1, i) == Admission::Go);
  CHECK(ask(1, 99) == Admission::OverRate);
  CHECK(ask(2, 99) == Admission::Go);
  now += seconds(9);
  CHECK(ask(1, 99) == Admission::OverRate);
  now += seconds(2);
  CHECK(ask(1, 99) == Admission::Go);
  CHECK(ask(1, 99) == Admission::OverRate);
  // A minute and more fills it, never beyond.
  now += seconds(3'600);
  for (std::uint32_t i = 0; i < 6; ++i) CHECK(ask(1, 200 + i) == Admission::Go);
  CHECK(ask(1, 300) == Admission::OverRate);
}

TEST_CASE(
    "callout limits: what is remembered of targets is bounded, and what is busy is not lost") {
  CalloutLimits limits({.sessions = 1'000'000, .per_target = 1, .per_minute = 10});
  CalloutLimits::Time now{};
  REQUIRE(limits.admit("busy.example", host(0), now) == Admission::Go);
  int over = 0;
  for (int i = 1; i < 30'000; ++i) {
    const auto h = host(static_cast<std::uint32_t>(i));
    const auto admission = limits.admit(domain(i), h, now);
    if (admission == Admission::Go)
      limits.release(domain(i), h);
    else
      ++over;
    now += std::chrono::milliseconds(1);
  }
  CHECK(limits.targets() <= kMaxCalloutTargets);
  CHECK(over > 0);  // all that is remembered was asked within the last minute
  CHECK(limits.admit("busy.example", host(1'000'000), now) != Admission::Go);
  now += seconds(120);
  CHECK(limits.admit("new.example", host(2'000'000), now) == Admission::Go);
}
