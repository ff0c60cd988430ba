#include <catch2/catch.hpp>

#include "fact_fixture.h"

namespace sluice::facts {
using backends::DnsStatus;
using backends::DnsType;
using policy::Value;

namespace {

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

policy::Dnsbl zen() {
  return {"zen",
          "zen.example",
          policy::Dnsbl::Of::ClientIp,
          {{ip("127.0.0.2"), ip("127.0.0.11")}},
          {{ip("127.255.255.0"), ip("127.255.255.255")}}};
}

Outcome answered(const char* address) {
  FactFixture f;
  f.connection_.client_ip = ip("198.51.100.25");
  f.give("25.100.51.198.zen.example", DnsType::A, {FactFixture::address(address)});
  return resolve_dnsbl(zen(), f);
}

}  // namespace

TEST_CASE("dnsbl: only the range of hits is a hit") {
  CHECK(answered("127.0.0.4") == Value(true));
  CHECK(answered("127.0.0.99") == Value(false));
  CHECK(answered("127.0.0.1") == Value(false));
}

TEST_CASE("dnsbl: an answer that says we may not ask, or lies outside 127/8, is unknown") {
  CHECK(answered("127.255.255.254")->is_unknown());
  CHECK(answered("203.0.113.80")->is_unknown());
}

TEST_CASE("dnsbl: NXDOMAIN is no hit, a timeout unknown, nothing to ask no hit") {
  FactFixture f;
  CHECK(resolve_dnsbl(zen(), f) == Value(false));
  f.connection_.client_ip = ip("198.51.100.25");
  CHECK(resolve_dnsbl(zen(), f) == Value(false));
  f.give("25.100.51.198.zen.example", DnsType::A, DnsStatus::Timeout);
  CHECK(resolve_dnsbl(zen(), f)->is_unknown());
}

TEST_CASE("dnsbl: lists of sender domains and HELO names") {
  FactFixture f;
  f.envelope_ = mail::Envelope{
      .sender_path = "<a@Bad.example>", .parameters = {}, .login = {}, .queue_id = {}};
  f.helo_ = "bad.example";
  f.give("bad.example.dbl.example", DnsType::A, {FactFixture::address("127.0.0.2")});
  policy::Dnsbl list = zen();
  list.zone = "dbl.example";
  list.of = policy::Dnsbl::Of::SenderDomain;
  CHECK(resolve_dnsbl(list, f) == Value(true));
  list.of = policy::Dnsbl::Of::HeloName;
  CHECK(resolve_dnsbl(list, f) == Value(true));
  f.envelope_->sender_path = "<>";
  list.of = policy::Dnsbl::Of::SenderDomain;
  CHECK(resolve_dnsbl(list, f) == Value(false));
}

TEST_CASE("dnsbl: a list that nobody may ask is unknown with its reason") {
  FactFixture f;
  f.connection_.client_ip = ip("198.51.100.25");
  f.give("25.100.51.198.zen.example", DnsType::A, DnsStatus::Breaker);
  CHECK(resolve_dnsbl(zen(), f) == Value(policy::Unknown{policy::UnknownReason::Breaker}));
}

TEST_CASE("dnsbl: the test entries of lists are no listings of mail") {
  FactFixture f;
  f.connection_.client_ip = ip("127.0.0.2");
  f.give("2.0.0.127.zen.example", DnsType::A, {FactFixture::address("127.0.0.2")});
  CHECK(resolve_dnsbl(zen(), f) == Value(false));
  policy::Dnsbl list = zen();
  list.of = policy::Dnsbl::Of::HeloName;
  f.give("test.zen.example", DnsType::A, {FactFixture::address("127.0.0.2")});
  f.give("192.0.2.1.zen.example", DnsType::A, {FactFixture::address("127.0.0.2")});
  for (const char* const helo : {"TEST", "192.0.2.1", "[192.0.2.1]", ""}) {
    f.helo_ = helo;
    CHECK(resolve_dnsbl(list, f) == Value(false));
  }
}

}  // namespace sluice::facts
