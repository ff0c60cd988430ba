#include "backends/given_dns.h"

#include <catch2/catch.hpp>

#include "backends/dns_name.h"

using namespace sluice;
using namespace sluice::backends;

namespace {

DnsAnswer ask(GivenDns& dns, const std::string& name, DnsType type) {
  DnsAnswer got;
  int calls = 0;
  dns.query(name, type, TimePoint{}, [&](const DnsAnswer& answer) {
    got = answer;
    ++calls;
  });
  REQUIRE(calls == 1);
  return got;
}

void give(GivenDns& dns, std::string_view key, std::vector<std::string> values) {
  const Result<void> added = dns.add(key, std::move(values));
  INFO(key);
  if (!added) FAIL(added.error().what);
}

}  // namespace

TEST_CASE("given dns: answers every type in the notation of policy tests") {
  GivenDns dns;
  give(dns, "far.example MX", {"10 mail.far.example", "20 Backup.far.example."});
  give(dns, "mail.far.example A", {"203.0.113.9", "203.0.113.10"});
  give(dns, "mail.far.example aaaa", {"2001:db8::9"});
  give(dns, "far.example TXT", {"v=spf1 -all", "timeout or not"});
  give(dns, "far.example NS", {"ns.far.example"});

  const DnsAnswer mx = ask(dns, "far.example", DnsType::Mx);
  REQUIRE(mx.status == DnsStatus::Ok);
  REQUIRE(mx.records.size() == 2);
  CHECK(mx.records[0].preference == 10);
  CHECK(mx.records[0].text == "mail.far.example");
  CHECK(mx.records[1].text == "backup.far.example");
  CHECK(ask(dns, "MAIL.far.example", DnsType::A).records.at(1).address ==
        IpAddress::parse("203.0.113.10"));
  CHECK(ask(dns, "mail.far.example", DnsType::Aaaa).records.at(0).address ==
        IpAddress::parse("2001:db8::9"));
  CHECK(ask(dns, "far.example", DnsType::Txt).records.at(1).text == "timeout or not");
  CHECK(ask(dns, "far.example", DnsType::Ns).records.at(0).text == "ns.far.example");
  CHECK(dns.queries() == 5);
}

TEST_CASE("given dns: a dot as MX host is the null MX") {
  GivenDns dns;
  give(dns, "nullmx.example MX", {"0 ."});
  const DnsAnswer mx = ask(dns, "nullmx.example", DnsType::Mx);
  REQUIRE(mx.records.size() == 1);
  CHECK(mx.records[0].text.empty());
}

TEST_CASE("given dns: an address with PTR is its reverse name, and the other way round") {
  GivenDns dns;
  give(dns, "203.0.113.77 PTR", {"mail.far.example"});
  give(dns, "9.113.0.203.in-addr.arpa PTR", {"nine.far.example"});
  give(dns, "2001:db8::1 PTR", {"six.far.example"});
  CHECK(ask(dns, "77.113.0.203.in-addr.arpa", DnsType::Ptr).records.at(0).text ==
        "mail.far.example");
  CHECK(
      ask(dns, IpAddress::parse("203.0.113.9")->reverse_name(), DnsType::Ptr).records.at(0).text ==
      "nine.far.example");
  CHECK(
      ask(dns, IpAddress::parse("2001:db8::1")->reverse_name(), DnsType::Ptr).records.at(0).text ==
      "six.far.example");
}

TEST_CASE("given dns: what is not given does not exist, other types of a given name have no data") {
  GivenDns dns;
  give(dns, "far.example MX", {"10 mail.far.example"});
  give(dns, "nope.example MX", {"nxdomain"});
  give(dns, "slow.example MX", {"timeout"});
  give(dns, "broken.example A", {"servfail"});
  CHECK(ask(dns, "other.example", DnsType::A).status == DnsStatus::NxDomain);
  CHECK(ask(dns, "far.example", DnsType::A).status == DnsStatus::NoData);
  CHECK(ask(dns, "nope.example", DnsType::A).status == DnsStatus::NxDomain);
  CHECK(ask(dns, "slow.example", DnsType::Mx).status == DnsStatus::Timeout);
  CHECK(ask(dns, "slow.example", DnsType::A).status == DnsStatus::NoData);
  CHECK(ask(dns, "broken.example", DnsType::A).status == DnsStatus::ServFail);
}

TEST_CASE("given dns: aliases are followed, loops are SERVFAIL") {
  GivenDns dns;
  give(dns, "www.far.example CNAME", {"web.far.example"});
  give(dns, "web.far.example CNAME", {"host.far.example"});
  give(dns, "host.far.example A", {"203.0.113.9"});
  give(dns, "dangling.example CNAME", {"gone.example"});
  give(dns, "loop1.example CNAME", {"loop2.example"});
  give(dns, "loop2.example CNAME", {"loop1.example"});
  CHECK(ask(dns, "www.far.example", DnsType::A).records.at(0).address ==
        IpAddress::parse("203.0.113.9"));
  CHECK(ask(dns, "www.far.example", DnsType::Mx).status == DnsStatus::NoData);
  CHECK(ask(dns, "www.far.example", DnsType::Cname).records.at(0).text == "web.far.example");
  CHECK(ask(dns, "dangling.example", DnsType::A).status == DnsStatus::NxDomain);
  CHECK(ask(dns, "loop1.example", DnsType::A).status == DnsStatus::ServFail);
}

TEST_CASE("given dns: refuses keys and values that are none, and says what is expected") {
  GivenDns dns;
  const auto error_of = [&](std::string_view key, std::string value) {
    const Result<void> added = dns.add(key, {std::move(value)});
    REQUIRE_FALSE(added);
    CHECK(added.error().cause == Cause::Config);
    return added.error().what;
  };
  CHECK_THAT(error_of("far.example", "x"), Catch::Contains("NAME TYPE"));
  CHECK_THAT(error_of("far.example ", "x"), Catch::Contains("one of A AAAA"));
  CHECK_THAT(error_of("far.example SRV", "x"), Catch::Contains("one of A AAAA"));
  CHECK_THAT(error_of("far..example A", "192.0.2.1"), Catch::Contains("not a domain name"));
  CHECK_THAT(error_of("far.example A", "2001:db8::1"), Catch::Contains("an IPv4 address"));
  CHECK_THAT(error_of("far.example AAAA", "192.0.2.1"), Catch::Contains("an IPv6 address"));
  CHECK_THAT(error_of("far.example MX", "mail.far.example"), Catch::Contains("PREFERENCE HOST"));
  CHECK_THAT(error_of("far.example MX", "70000 mail.far.example"),
             Catch::Contains("PREFERENCE HOST"));
  CHECK_THAT(error_of("far.example MX", "10 "), Catch::Contains("PREFERENCE HOST"));
}

TEST_CASE("dns name: lower case, no final dot, only bytes that nothing further on misreads") {
  CHECK(canonical_dns_name("Mail.Far.Example.") == "mail.far.example");
  CHECK(canonical_dns_name("_dmarc.far.example") == "_dmarc.far.example");
  CHECK(canonical_dns_name(".") == "");
  CHECK(canonical_dns_name("") == std::nullopt);
  CHECK(canonical_dns_name("a..b") == std::nullopt);
  CHECK(canonical_dns_name(".a") == std::nullopt);
  CHECK(canonical_dns_name("a b.example") == "a b.example");
  CHECK(canonical_dns_name("a\rb.example") == std::nullopt);
  CHECK(canonical_dns_name("a\\046b.example") == std::nullopt);
  CHECK(canonical_dns_name(std::string("a\0b.example", 11)) == std::nullopt);
  CHECK(canonical_dns_name(std::string(63, 'a') + ".example").has_value());
  CHECK(canonical_dns_name(std::string(64, 'a') + ".example") == std::nullopt);
  std::string long_name;
  while (long_name.size() < 250) long_name += "a.";
  CHECK(canonical_dns_name(long_name + "abc").has_value());
  CHECK(canonical_dns_name(long_name + "abcd") == std::nullopt);
}

TEST_CASE("dns name: a reverse name leads back to its address only in full") {
  CHECK(address_of_reverse_name("9.113.0.203.in-addr.arpa") == IpAddress::parse("203.0.113.9"));
  CHECK(address_of_reverse_name(IpAddress::parse("2001:db8::1:2")->reverse_name()) ==
        IpAddress::parse("2001:db8::1:2"));
  CHECK(address_of_reverse_name("113.0.203.in-addr.arpa") == std::nullopt);
  CHECK(address_of_reverse_name("09.113.0.203.in-addr.arpa") == std::nullopt);
  CHECK(address_of_reverse_name("far.example") == std::nullopt);
}
