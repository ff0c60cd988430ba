// The C library as a second opinion on what base/ writes by itself: addresses and date-times.
#include <arpa/inet.h>

#include <catch2/catch.hpp>
#include <ctime>
#include <random>
#include <string>

#include "base/ip_address.h"
#include "base/text.h"

using namespace sluice;

TEST_CASE("ip: prints as inet_ntop does, but for IPv4 in a tail of IPv6") {
  std::mt19937_64 random(13);
  for (int i = 0; i < 50'000; ++i) {
    IpAddress::Bytes bytes{};
    // Mostly zeros, so that runs of them meet.
    for (auto& octet : bytes) octet = random() % 3 == 0 ? static_cast<std::uint8_t>(random()) : 0;
    bytes[0] = 0x20;  // ::/96 and the mapped block print differently
    char text[INET6_ADDRSTRLEN];
    REQUIRE(inet_ntop(AF_INET6, bytes.data(), text, sizeof text) != nullptr);
    const auto address = IpAddress::from_bytes(bytes);
    REQUIRE(address.to_string() == text);
    REQUIRE(IpAddress::parse(text) == address);
  }
  for (int i = 0; i < 10'000; ++i) {
    const auto number = static_cast<std::uint32_t>(random());
    const in_addr v4{htonl(number)};
    char text[INET_ADDRSTRLEN];
    REQUIRE(inet_ntop(AF_INET, &v4, text, sizeof text) != nullptr);
    REQUIRE(IpAddress::from_v4(number).to_string() == text);
  }
}

TEST_CASE("datetime: prints what gmtime says, and comes back") {
  std::mt19937_64 random(17);
  constexpr std::int64_t kFirst = -62'167'219'200;  // 0000-01-01
  constexpr std::int64_t kYears = 10'000LL * 31'556'952;
  for (int i = 0; i < 50'000; ++i) {
    const std::time_t second =
        kFirst + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(kYears));
    std::tm parts{};
    REQUIRE(gmtime_r(&second, &parts) != nullptr);
    char text[64];
    std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", parts.tm_year + 1900,
                  parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
    const TimePoint time{std::chrono::seconds(second)};
    REQUIRE(render_datetime(time) == text);
    REQUIRE(parse_datetime(text) == time);
  }
}
