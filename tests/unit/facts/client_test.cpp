#include <catch2/catch.hpp>

#include "fact_fixture.h"
#include "facts/geo_database.h"

namespace sluice::facts {
using backends::DnsStatus;
using backends::DnsType;
using mail::ClientResolve;
using policy::Unknown;
using policy::UnknownReason;
using policy::Value;

namespace {
FactFixture client(std::string_view ip) {
  FactFixture f;
  f.connection_.client_ip = IpAddress::parse(ip);
  return f;
}
}  // namespace

TEST_CASE("client.ip: mail handed in on a pipe comes from the loopback address") {
  FactFixture f;
  CHECK(f.ask("client.ip") == Value(*IpAddress::parse("127.0.0.1")));
}

TEST_CASE("client.net: /24 of IPv4, /64 of IPv6") {
  CHECK(client("203.0.113.9").ask("client.net") == Value(*Network::parse("203.0.113.0/24")));
  CHECK(client("2001:db8:1:2:3::9").ask("client.net") ==
        Value(*Network::parse("2001:db8:1:2::/64")));
}

TEST_CASE(
    "client.rdns: what the MTA confirmed is taken, a forged name is none, a failed look-up "
    "unknown") {
  auto f = client("203.0.113.9");
  f.connection_.client_name = "Mail.Far.example";
  f.connection_.resolve = ClientResolve::Ok;
  CHECK(f.ask("client.rdns") == Value("mail.far.example"));
  f.connection_.resolve = ClientResolve::Forged;
  CHECK(f.ask("client.rdns") == Value());
  f.connection_.resolve = ClientResolve::TempFail;
  CHECK(f.ask("client.rdns") == Value(Unknown{UnknownReason::Timeout}));
}

TEST_CASE("client.rdns: without the MTA's help it is looked up and must point back") {
  auto f = client("203.0.113.9");
  f.give("9.113.0.203.in-addr.arpa", DnsType::Ptr, {FactFixture::name("mail.far.example")});
  f.give("mail.far.example", DnsType::A, {FactFixture::address("203.0.113.9")});
  CHECK(f.ask("client.rdns") == Value("mail.far.example"));
  f.give("mail.far.example", DnsType::A, {FactFixture::address("203.0.113.10")});
  CHECK(f.ask("client.rdns") == Value());
  f.give("mail.far.example", DnsType::A, DnsStatus::ServFail);
  CHECK(f.ask("client.rdns") == Value(Unknown{UnknownReason::ServFail}));
  f.nothing_is_pending_ = false;
  f.dns_.clear();
  CHECK_FALSE(f.ask("client.rdns").has_value());
}

TEST_CASE("client.pool: hosts of a provider share it, a forged name falls back to the network") {
  auto f = client("198.51.100.11");
  f.connection_.resolve = ClientResolve::Ok;
  f.connection_.client_name = "mail-db5.outbound.protection.example";
  CHECK(f.ask("client.pool") == Value("outbound.protection.example"));
  f.connection_.client_name = "example.co.uk";  // the parent is a public suffix
  CHECK(f.ask("client.pool") == Value("example.co.uk"));
  f.connection_.resolve = ClientResolve::Forged;
  CHECK(f.ask("client.pool") == Value("198.51.100.0/24"));
}

TEST_CASE("client.dynamic: names of dial-up pools, not names of mail servers") {
  const auto dynamic = [](std::string_view ip, const char* name) {
    auto f = client(ip);
    f.connection_.client_ptr = name;
    return f.ask("client.dynamic");
  };
  CHECK(dynamic("203.0.113.10", "203-0-113-10.dyn.isp.example") == Value(true));
  CHECK(dynamic("203.0.113.10", "10.113.0.203.isp.example") == Value(true));
  CHECK(dynamic("203.0.113.10", "dsl-50.isp.example") == Value(true));
  CHECK(dynamic("198.51.100.25", "mx1.partner.example") == Value(false));
  CHECK(dynamic("198.51.100.25", "mail.home.example") == Value(false));
  auto unnamed = client("198.51.100.25");
  unnamed.connection_.resolve = ClientResolve::NoName;
  CHECK(unnamed.ask("client.dynamic") == Value(false));
}

TEST_CASE("client.first_seen: how long ago, none for a stranger, never negative") {
  auto f = client("198.51.100.25");
  f.now_ = TimePoint(Duration(5000));
  CHECK(f.ask("client.first_seen") == Value());
  f.first_seen_ = TimePoint(Duration(2000));
  CHECK(f.ask("client.first_seen") == Value(Duration(3000)));
  f.first_seen_ = TimePoint(Duration(9000));
  CHECK(f.ask("client.first_seen") == Value(Duration(0)));
}

TEST_CASE("client.country: from a MaxMind file, none without one") {
  auto f = client("81.2.69.142");
  CHECK(f.ask("client.country") == Value());
  const char* folder = std::getenv("SLUICE_TEST_DATA");
  auto db = GeoDatabase::open(
      std::string(folder != nullptr ? folder : SLUICE_SOURCE_DIR "/../shared/data") +
      "/geo/GeoLite2-Country-Test.mmdb");
  if (!db) {
    WARN("skipped: no test data");
    return;
  }
  f.settings_.country = *db;
  CHECK(f.ask("client.country") == Value("GB"));
  f.connection_.client_ip = IpAddress::parse("192.0.2.1");
  CHECK(f.ask("client.country") == Value());
}

TEST_CASE("geo: a file that is no database is an error, not a crash") {
  const auto db = GeoDatabase::open("/etc/passwd");
  REQUIRE_FALSE(db.has_value());
  CHECK(db.error().cause == Cause::Config);
}

}  // namespace sluice::facts
