#include "base/ip_address.h"

#include <catch2/catch.hpp>
#include <string>

using namespace sluice;

namespace {
std::string canonical(std::string_view text) {
  const auto address = IpAddress::parse(text);
  return address ? address->to_string() : "refused";
}
std::string network(std::string_view text) {
  const auto parsed = Network::parse(text);
  return parsed ? parsed->to_string() : "refused";
}
}  // namespace

TEST_CASE("ip: what is parsed prints in the form of RFC 5952") {
  struct Row {
    std::string_view text, printed;
  };
  const Row rows[] = {
      {"192.0.2.1", "192.0.2.1"},
      {"0.0.0.0", "0.0.0.0"},
      {"255.255.255.255", "255.255.255.255"},
      {"::", "::"},
      {"::1", "::1"},
      {"1::", "1::"},
      {"2001:DB8::1", "2001:db8::1"},
      {"2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"},
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
      {"::ffff:192.0.2.1", "192.0.2.1"},
      {"::FFFF:C000:0201", "192.0.2.1"},
      {"0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"},
      {"::192.0.2.1", "::c000:201"},
      {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
      {"64:ff9b::192.0.2.1", "64:ff9b::c000:201"},
      {"::ffff:0:192.0.2.1", "::ffff:0:c000:201"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(canonical(row.text) == row.printed);
    CHECK(canonical(canonical(row.text)) == row.printed);
  }
}

TEST_CASE("ip: only an address is an address") {
  for (const std::string_view text : {"",
                                      "192.0.2",
                                      "192.0.2.1.",
                                      "192.0.2.256",
                                      "192.0.2.01",
                                      "0x7f.1",
                                      "127.1",
                                      "2130706433",
                                      " 192.0.2.1",
                                      "192.0.2.1 ",
                                      "192.0.2.1/32",
                                      "[::1]",
                                      "::1%lo",
                                      "fe80::1%eth0",
                                      ":::",
                                      "1::2::3",
                                      "12345::",
                                      "1:2:3:4:5:6:7",
                                      "1:2:3:4:5:6:7:8:9",
                                      "1:2:3:4:5:6:7:8::",
                                      ":1",
                                      "1:",
                                      "g::",
                                      "::1.2.3",
                                      "IPv6:::1",
                                      "1.2.3.4:25",
                                      "+1.2.3.4",
                                      "٣.1.1.1"}) {
    INFO(text);
    CHECK_FALSE(IpAddress::parse(text));
  }
  CHECK_FALSE(IpAddress::parse(std::string_view("192.0.2.1\0", 10)));
  CHECK_FALSE(IpAddress::parse(std::string(1000, '1')));
}

TEST_CASE("ip: mapped IPv6 is IPv4, bytes and numbers agree") {
  const auto address = IpAddress::from_v4(0xC0000201);
  CHECK(address == IpAddress::parse("::ffff:192.0.2.1"));
  CHECK(address.is_v4());
  CHECK(IpAddress::from_bytes(address.bytes()) == address);
  CHECK_FALSE(IpAddress::parse("::192.0.2.1")->is_v4());
  CHECK_FALSE(IpAddress().is_v4());
  CHECK(IpAddress().to_string() == "::");
}

TEST_CASE("ip: names for reverse DNS") {
  const auto v4 = IpAddress::parse("203.0.113.9").value();
  CHECK(v4.reversed_labels() == "9.113.0.203");
  CHECK(v4.reverse_name() == "9.113.0.203.in-addr.arpa");
  const auto v6 = IpAddress::parse("2001:db8::567:89ab").value();
  CHECK(
      v6.reverse_name() ==
      "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");  // RFC 3596 2.5
}

TEST_CASE("ip: special addresses are no public hosts") {
  for (const std::string_view text : {"0.0.0.0",
                                      "0.1.2.3",
                                      "10.255.255.255",
                                      "100.64.0.1",
                                      "100.127.255.255",
                                      "127.0.0.1",
                                      "169.254.1.1",
                                      "172.16.0.1",
                                      "172.31.255.255",
                                      "192.0.0.8",
                                      "192.0.2.1",
                                      "192.168.0.1",
                                      "198.18.0.1",
                                      "198.19.255.255",
                                      "198.51.100.7",
                                      "203.0.113.9",
                                      "224.0.0.1",
                                      "239.1.1.1",
                                      "240.0.0.1",
                                      "255.255.255.255",
                                      "::",
                                      "::1",
                                      "::8.8.8.8",
                                      "fc00::1",
                                      "fdff::1",
                                      "fe80::1",
                                      "febf::1",
                                      "fec0::1",
                                      "ff02::1",
                                      "2001:db8::1",
                                      "2001:db8:ffff::",
                                      "100::1",
                                      "3fff::1",
                                      "::ffff:127.0.0.1",
                                      "64:ff9b::10.0.0.1",
                                      "2002:7f00:1::1",
                                      "64:ff9b:1::8.8.8.8"}) {
    INFO(text);
    CHECK(IpAddress::parse(text).value().is_special());
  }
  for (const std::string_view text : {"1.1.1.1",          "8.8.8.8",         "9.255.255.255",
                                      "11.0.0.0",         "100.63.255.255",  "100.128.0.0",
                                      "126.255.255.255",  "128.0.0.0",       "172.15.255.255",
                                      "172.32.0.0",       "192.0.1.1",       "192.0.3.0",
                                      "192.169.0.0",      "198.17.255.255",  "198.20.0.0",
                                      "203.0.114.0",      "223.255.255.255", "2001:4860:4860::8888",
                                      "2a00::1",          "2001:db7::1",     "2001:db9::1",
                                      "64:ff9b::8.8.8.8", "2002:808:808::1", "fbff::1"}) {
    INFO(text);
    CHECK_FALSE(IpAddress::parse(text).value().is_special());
  }
}

TEST_CASE("network: parse clears host bits and keeps the written length") {
  struct Row {
    std::string_view text, printed;
  };
  const Row rows[] = {
      {"192.0.2.0/24", "192.0.2.0/24"},
      {"192.0.2.77/24", "192.0.2.0/24"},
      {"192.0.2.1", "192.0.2.1/32"},
      {"0.0.0.0/0", "0.0.0.0/0"},
      {"10.255.0.0/9", "10.128.0.0/9"},
      {"2001:db8::/32", "2001:db8::/32"},
      {"2001:db8::1", "2001:db8::1/128"},
      {"::/0", "::/0"},
      {"ffff::/1", "8000::/1"},
      {"::ffff:192.0.2.0/120", "192.0.2.0/24"},
      {"::ffff:0:0/96", "0.0.0.0/0"},
      {"192.0.2.0/32", "192.0.2.0/32"},
      {"::/128", "::/128"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(network(row.text) == row.printed);
    CHECK(network(network(row.text)) == row.printed);
  }
  for (const std::string_view text :
       {"", "/24", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/+8", "192.0.2.0/08",
        "192.0.2.0/8 ", "192.0.2/24", "2001:db8::/129", "::ffff:0:0/95", "10.0.0.0/255.0.0.0",
        "192.0.2.0/24/24", "192.0.2.0/999999999999"}) {
    INFO(text);
    CHECK(network(text) == "refused");
  }
  CHECK(Network::parse("192.0.2.0/24")->length() == 24);
  CHECK(Network::parse("192.0.2.0/24")->mapped_length() == 120);
  CHECK(Network(*IpAddress::parse("192.0.2.1"), 99).to_string() == "192.0.2.1/32");
  CHECK(Network(*IpAddress::parse("2001:db8::1"), -1).to_string() == "::/0");
}

TEST_CASE("network: contains never crosses families") {
  const auto all6 = Network::parse("::/0").value();
  const auto all4 = Network::parse("0.0.0.0/0").value();
  const auto v4 = IpAddress::parse("192.0.2.1").value();
  const auto v6 = IpAddress::parse("2001:db8::1").value();
  CHECK(all4.contains(v4));
  CHECK(all6.contains(v6));
  CHECK_FALSE(all6.contains(v4));
  CHECK_FALSE(all4.contains(v6));
  CHECK_FALSE(all6.contains(all4));
  CHECK(all4.contains(*Network::parse("10.0.0.0/8")));
  CHECK_FALSE(Network::parse("10.0.0.0/8")->contains(all4));
  CHECK(Network::parse("10.0.0.0/8")->contains(*Network::parse("10.0.0.0/8")));
}

TEST_CASE("client_network: a client is counted by /24, /64, or the IPv4 network behind NAT64") {
  struct Row {
    std::string_view text, unit;
  };
  const Row rows[] = {{"203.0.113.9", "203.0.113.0/24"},
                      {"::ffff:203.0.113.9", "203.0.113.0/24"},
                      {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
                      {"64:ff9b::203.0.113.9", "64:ff9b::cb00:7100/120"},
                      {"2002:cb00:7109:1::5", "2002:cb00:7109:1::/64"}};
  for (const Row& row : rows)
    CHECK(client_network(*IpAddress::parse(row.text)).to_string() == row.unit);
}
