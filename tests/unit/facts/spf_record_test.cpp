#include "facts/spf_record.h"

#include <catch2/catch.hpp>

using namespace sluice;
using namespace sluice::facts;

namespace {

SpfRecord parsed(const std::string& terms) {
  const auto record = parse_spf_record("v=spf1 " + terms);
  INFO(terms);
  if (!record) FAIL(record.error().what);
  return *record;
}
std::string error_of(const std::string& terms) {
  const auto record = parse_spf_record("v=spf1 " + terms);
  return record ? "no error" : record.error().what;
}

}  // namespace

TEST_CASE("spf record: begins with the version alone") {
  CHECK(is_spf_record("v=spf1"));
  CHECK(is_spf_record("V=SPF1 -all"));
  CHECK_FALSE(is_spf_record("v=spf10"));
  CHECK_FALSE(is_spf_record("v=spf1\t-all"));
  CHECK_FALSE(is_spf_record(" v=spf1 -all"));
  CHECK_FALSE(is_spf_record("v=spf"));
}

TEST_CASE("spf record: mechanisms, qualifiers and prefix lengths") {
  const SpfRecord r = parsed(
      "  A/24//64 -mx:%{d}/20 ~ip4:192.0.2.0/0 ?ip6:2001:DB8::/32 ptr +include:a.example. -all  ");
  REQUIRE(r.directives.size() == 7);
  CHECK(r.directives[0].mechanism == SpfMechanism::A);
  CHECK(r.directives[0].v4_length == 24);
  CHECK(r.directives[0].v6_length == 64);
  CHECK_FALSE(r.directives[0].domain);
  CHECK(r.directives[1].qualifier == SpfQualifier::Fail);
  CHECK(r.directives[1].v4_length == 20);
  CHECK(r.directives[1].v6_length == 128);
  CHECK(r.directives[1].domain);
  CHECK(r.directives[2].qualifier == SpfQualifier::SoftFail);
  CHECK(r.directives[2].v4_length == 0);
  CHECK(r.directives[3].qualifier == SpfQualifier::Neutral);
  CHECK(r.directives[3].network == IpAddress::parse("2001:db8::"));
  CHECK(r.directives[3].v6_length == 32);
  CHECK(r.directives[4].mechanism == SpfMechanism::Ptr);
  CHECK(r.directives[5].qualifier == SpfQualifier::Pass);
  CHECK(r.directives[6].mechanism == SpfMechanism::All);
}

TEST_CASE("spf record: modifiers, known once, unknown as often as they like") {
  const SpfRecord r = parsed("redirect=b.example x=1 x=%{l} EXP=e.%{d} ip4=not-a-mechanism");
  CHECK(r.directives.empty());
  CHECK(r.redirect);
  CHECK(r.explanation);
  CHECK_THAT(error_of("redirect=b.example REDIRECT=c.example"), Catch::Contains("twice"));
  CHECK_THAT(error_of("exp=b.example exp=b.example"), Catch::Contains("twice"));
}

TEST_CASE("spf record: one error anywhere makes the record an error and says where") {
  const std::vector<std::pair<std::string, std::string>> broken = {
      {"-all foo", "unknown mechanism 'foo'"},
      {"-all:x", "nothing may follow 'all'"},
      {"all/8", "nothing may follow 'all'"},
      {"include", "expected ':' and a domain"},
      {"include:", "expected ':' and a domain"},
      {"exists/24", "expected ':'"},
      {"a:", "expected ':' and a domain"},
      {"a/33", "not a prefix length"},
      {"a//129", "not a prefix length"},
      {"mx/024", "not a prefix length"},
      {"a/", "not a prefix length"},
      {"a/24/64", "not a prefix length"},
      {"ip4:1.2.3", "no IPv4 address"},
      {"ip4:1.2.3.04", "no IPv4 address"},
      {"ip4:1.2.3.4/33", "not a prefix length"},
      {"ip4:1.2.3.4//32", "address"},
      {"ip4:2001:db8::1", "no IPv4 address"},
      {"ip6:1.2.3.4", "no IPv6 address"},
      {"ip6:2001:db8::1/129", "not a prefix length"},
      {"ip4", "address"},
      {"a:1.2.3.4", "no domain"},
      {"a:example", "no domain"},
      {"a:museum.", "no domain"},
      {"a:foo.-com", "no domain"},
      {"a:example.com:8080", "no domain"},
      {"exists:%{z}.x.example", "unknown macro letter"},
      {"exists:%{d", "without }"},
      {"exists:%d.example", "must begin a macro"},
      {"exists:%{d0}.example", "0 labels"},
      {"exists:%{d!}.example", "unknown delimiter"},
      {"exists:%{c}.example", "explanations only"},
      {"=x", "unknown mechanism"},
      {"redirect=", "no domain"},
      {"x=%", "must begin a macro"},
      {"-", "unknown mechanism"},
      {"a\tmx", "unknown mechanism"},
      {"a:\x80.example", "a byte that may not stand"}};
  for (const auto& [terms, problem] : broken) {
    INFO(terms);
    CHECK_THAT(error_of(terms), Catch::Contains(problem));
  }
}

TEST_CASE("spf record: a record that never ends is an error") {
  std::string terms;
  while (terms.size() <= kMaxSpfRecord) terms += "ip4:192.0.2.1 ";
  CHECK_THAT(error_of(terms), Catch::Contains("longer"));
  CHECK(parsed(terms.substr(0, 14 * 1000)).directives.size() == 1000);
}
