#include "backends/mail_hosts.h"

#include <catch2/catch.hpp>
#include <optional>
#include <set>

#include "backends/given_dns.h"

using namespace sluice;
using namespace sluice::backends;
using Found = MailHosts::Found;

namespace {

MailHosts find(GivenDns& dns, const std::string& domain) {
  std::optional<MailHosts> found;
  find_mail_hosts(dns, domain, {}, [&](MailHosts hosts) { found = std::move(hosts); });
  REQUIRE(found);
  return *found;
}
std::string addresses(const MailHosts& hosts) {
  std::string all;
  for (const IpAddress& address : hosts.addresses) all += address.to_string() + " ";
  return all;
}

}  // namespace

TEST_CASE("mail hosts: the best first, both families, at most two addresses of each") {
  GivenDns dns;
  dns.add("far.example MX", {"20 b.far.example", "10 a.far.example"});
  dns.add("a.far.example A", {"192.0.2.1", "192.0.2.2"});
  dns.add("a.far.example AAAA", {"2001:db8::1"});
  dns.add("b.far.example A", {"192.0.2.3", "192.0.2.4", "192.0.2.5"});
  const auto hosts = find(dns, "far.example");
  CHECK(hosts.found == Found::Hosts);
  CHECK(addresses(hosts) == "192.0.2.1 2001:db8::1 192.0.2.3 192.0.2.4 ");
}

TEST_CASE("mail hosts: equal preferences are tried in any order, the four best only") {
  GivenDns dns;
  std::vector<std::string> mx{"5 m0.far.example"};
  dns.add("m0.far.example A", {"192.0.2.10"});
  for (int i = 1; i < 8; ++i) {
    const std::string host = "m" + std::to_string(i) + ".far.example";
    mx.push_back("10 " + host);
    dns.add(host + " A", {"192.0.2.1" + std::to_string(i)});
  }
  dns.add("far.example MX", mx);
  std::set<std::string> orders;
  for (int i = 0; i < 50; ++i) {
    const auto hosts = find(dns, "far.example");
    REQUIRE(hosts.addresses.size() == kMaxMailHosts);
    CHECK(hosts.addresses[0].to_string() == "192.0.2.10");
    orders.insert(addresses(hosts));
  }
  CHECK(orders.size() > 5);
}

TEST_CASE("mail hosts: without MX it is the domain itself; a null MX and NXDOMAIN are answers") {
  GivenDns dns;
  dns.add("plain.example AAAA", {"2001:db8::2"});
  dns.add("null.example MX", {"0 ."});
  dns.add("empty.example TXT", {"x"});
  CHECK(addresses(find(dns, "plain.example")) == "2001:db8::2 ");
  CHECK(find(dns, "null.example").found == Found::NullMx);
  CHECK(find(dns, "nowhere.example").found == Found::NoDomain);
  CHECK(find(dns, "empty.example").found == Found::NoHost);
}

TEST_CASE("mail hosts: a failure is told unless another host has an address") {
  GivenDns dns;
  dns.add("broken.example MX", {"servfail"});
  dns.add("slow.example MX", {"timeout"});
  dns.add("half.example MX", {"10 a.half.example", "20 b.half.example"});
  dns.add("a.half.example A", {"servfail"});
  dns.add("b.half.example A", {"192.0.2.1"});
  dns.add("bad.example MX", {"10 a.half.example"});
  dns.add("gone.example MX", {"10 nowhere.example"});
  CHECK(find(dns, "broken.example").failure == DnsStatus::ServFail);
  CHECK(find(dns, "slow.example").failure == DnsStatus::Timeout);
  CHECK(find(dns, "slow.example").found == Found::Failed);
  CHECK(addresses(find(dns, "half.example")) == "192.0.2.1 ");
  CHECK(find(dns, "bad.example").found == Found::Failed);
  CHECK(find(dns, "gone.example").found == Found::NoHost);
}
