// Many spellings of one thing, one key: what an attacker varies must not buy a second counter.
#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "base/text.h"

using namespace sluice;

namespace {

std::string hex_group(unsigned value, std::size_t width, bool capitals) {
  const std::string_view digits = capitals ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string text;
  for (int shift = 12; shift >= 0; shift -= 4) text += digits[value >> shift & 0xF];
  while (text.size() > width && text.front() == '0') text.erase(0, 1);
  return text;
}

// Every way to write eight groups: with any run of zeros as "::", padded or not, in small and
// capital letters, the last 32 bits as hexadecimal or as a dotted quad.
std::set<std::string> spellings(const std::vector<unsigned>& groups) {
  std::set<std::string> all;
  for (int style = 0; style < 16; ++style) {
    std::vector<std::string> parts;
    for (const unsigned group : groups)
      parts.push_back(
          hex_group(group, static_cast<std::size_t>(1 + style % 4), style / 4 % 2 == 1));
    if (style >= 8) {
      parts.resize(6);
      parts.push_back(std::to_string(groups[6] >> 8) + '.' + std::to_string(groups[6] & 0xFF) +
                      '.' + std::to_string(groups[7] >> 8) + '.' +
                      std::to_string(groups[7] & 0xFF));
    }
    const std::size_t hex_parts = style >= 8 ? 6 : 8;
    for (std::size_t from = 0; from <= hex_parts; ++from) {
      for (std::size_t to = from; to <= hex_parts; ++to) {
        bool zeros = true;
        for (std::size_t i = from; i < to; ++i) zeros = zeros && groups[i] == 0;
        if (!zeros) break;
        std::string text;
        for (std::size_t i = 0; i < parts.size(); ++i) {
          if (i == from && to > from) text += i == 0 ? "::" : ":";
          if (i >= from && i < to) continue;
          text += parts[i] + (i + 1 < parts.size() ? ":" : "");
        }
        all.insert(text);
      }
    }
  }
  return all;
}

}  // namespace

TEST_CASE("spelling: an IPv6 client has one network however its address is written") {
  struct Row {
    std::vector<unsigned> groups;
    std::string_view address, network;
    std::size_t least;
  };
  const Row rows[] = {
      {{0x2001, 0xdb8, 0, 0, 0, 0, 0, 1}, "2001:db8::1", "2001:db8::/64", 200},
      {{0x2001, 0xdb8, 0, 0xa, 0, 0, 0xb, 0xc}, "2001:db8:0:a::b:c", "2001:db8:0:a::/64", 50},
      {{0, 0, 0, 0, 0, 0xffff, 0xcb00, 0x7109}, "203.0.113.9", "203.0.113.0/24", 100},
      {{0x64, 0xff9b, 0, 0, 0, 0, 0xcb00, 0x7109},
       "64:ff9b::cb00:7109",
       "64:ff9b::cb00:7100/120",
       100},
      {{0x2002, 0xcb00, 0x7109, 1, 0, 0, 0, 5}, "2002:cb00:7109:1::5", "2002:cb00:7109:1::/64", 50},
  };
  for (const Row& row : rows) {
    const auto all = spellings(row.groups);
    CHECK(all.size() >= row.least);
    for (const std::string& text : all) {
      INFO(text);
      const auto address = IpAddress::parse(text);
      REQUIRE(address);
      CHECK(address->to_string() == row.address);
      CHECK(client_network(*address).to_string() == row.network);
    }
  }
}

TEST_CASE("spelling: hosts of one network count as one client, of two as two") {
  std::set<std::string> networks;
  for (unsigned host = 0; host < 256; ++host)
    networks.insert(client_network(IpAddress::from_v4(0xCB007100 + host)).to_string());
  CHECK(networks == std::set<std::string>{"203.0.113.0/24"});
  CHECK(client_network(IpAddress::from_v4(0xCB007200)).to_string() == "203.0.114.0/24");
  CHECK(client_network(*IpAddress::parse("2001:db8:0:1::")) !=
        client_network(*IpAddress::parse("2001:db8:0:2::")));
}
