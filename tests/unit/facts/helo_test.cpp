#include <catch2/catch.hpp>

#include "fact_fixture.h"

namespace sluice::facts {
using backends::DnsStatus;
using backends::DnsType;
using policy::Value;

namespace {
FactFixture greeted(const char* name) {
  FactFixture f;
  f.helo_ = name;
  return f;
}
}  // namespace

TEST_CASE("helo: name, validity, literal and full qualification") {
  CHECK(greeted("mx.far.example").ask("helo.valid") == Value(true));
  CHECK(greeted("mx.far.example").ask("helo.is_fqdn") == Value(true));
  CHECK(greeted("localhost").ask("helo.valid") == Value(true));
  CHECK(greeted("localhost").ask("helo.is_fqdn") == Value(false));
  CHECK(greeted("[192.0.2.1]").ask("helo.is_literal") == Value(true));
  CHECK(greeted("[nonsense]").ask("helo.is_literal") == Value(false));
  CHECK(greeted("a b").ask("helo.valid") == Value(false));
  CHECK(greeted("").ask("helo.name") == Value());
  CHECK(FactFixture().ask("helo.name") == Value());
}

TEST_CASE("helo.resolves: an address or an MX is enough, a failed look-up is unknown") {
  auto f = greeted("mx.far.example");
  CHECK(f.ask("helo.resolves") == Value(false));
  f.give("mx.far.example", DnsType::Mx, {FactFixture::name("in.far.example", 10)});
  CHECK(f.ask("helo.resolves") == Value(true));
  f.give("mx.far.example", DnsType::Mx, DnsStatus::NoData);
  f.give("mx.far.example", DnsType::A, DnsStatus::Timeout);
  CHECK(f.ask("helo.resolves")->is_unknown());
  f.give("mx.far.example", DnsType::Aaaa, {FactFixture::address("2001:db8::1")});
  CHECK(f.ask("helo.resolves") == Value(true));
}

TEST_CASE("command: the first word, and how many there were") {
  FactFixture f;
  f.command_ = "FROB nicate";
  CHECK(f.ask("command.name") == Value("FROB"));
  CHECK(f.ask("command.count") == Value(3));
}

}  // namespace sluice::facts
