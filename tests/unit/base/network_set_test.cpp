#include "base/network_set.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <ctime>
#include <random>
#include <string>

using namespace sluice;

namespace {

NetworkSet set_of(const std::vector<std::string_view>& texts) {
  std::vector<NetworkSet::Entry> entries;
  for (const std::string_view text : texts)
    entries.push_back({Network::parse(text).value(), static_cast<std::uint32_t>(entries.size())});
  return NetworkSet(std::move(entries));
}

std::string found(const NetworkSet& set, std::string_view address) {
  const auto value = set.find(IpAddress::parse(address).value());
  return value ? std::to_string(*value) : "none";
}

// Bit by bit, entry by entry.
std::optional<std::uint32_t> naive_find(const std::vector<NetworkSet::Entry>& entries,
                                        const IpAddress& address) {
  int best_length = -1;
  std::optional<std::uint32_t> best;
  for (const auto& entry : entries) {
    if (entry.network.is_v4() != address.is_v4()) continue;
    bool inside = true;
    for (int bit = 0; bit < entry.network.mapped_length(); ++bit) {
      const auto octet = static_cast<std::size_t>(bit / 8);
      const int shift = 7 - bit % 8;
      inside = inside && ((entry.network.address().bytes()[octet] >> shift & 1) ==
                          (address.bytes()[octet] >> shift & 1));
    }
    if (inside && entry.network.mapped_length() >= best_length) {
      best_length = entry.network.mapped_length();
      best = entry.value;
    }
  }
  return best;
}

// Crowded on purpose: few different leading bits, so that networks nest and touch.
IpAddress random_address(std::mt19937_64& random) {
  IpAddress::Bytes bytes{};
  if (random() % 2 == 0)
    return IpAddress::from_v4(
        static_cast<std::uint32_t>(0x0A000000 | (random() & 0x3F) << (random() % 20)));
  bytes[0] = random() % 4 == 0 ? 0 : 0x20;
  bytes[random() % 16] = static_cast<std::uint8_t>(random());
  bytes[15] = static_cast<std::uint8_t>(random() % 4 == 0 ? 0xFF : random());
  return IpAddress::from_bytes(bytes);
}

}  // namespace

TEST_CASE("network set: the longest network counts") {
  const auto set = set_of({"10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3", "0.0.0.0/0",
                           "2001:db8::/32", "2001:db8::1"});
  CHECK(set.size() == 7);
  CHECK(found(set, "10.1.2.3") == "3");
  CHECK(found(set, "10.1.2.2") == "2");
  CHECK(found(set, "10.1.2.4") == "2");
  CHECK(found(set, "10.1.3.0") == "1");
  CHECK(found(set, "10.2.0.0") == "0");
  CHECK(found(set, "10.0.255.255") == "0");
  CHECK(found(set, "9.255.255.255") == "4");
  CHECK(found(set, "11.0.0.0") == "4");
  CHECK(found(set, "255.255.255.255") == "4");
  CHECK(found(set, "::ffff:10.1.2.3") == "3");
  CHECK(found(set, "2001:db8::1") == "6");
  CHECK(found(set, "2001:db8::2") == "5");
  CHECK(found(set, "2001:db7:ffff::") == "none");
  CHECK(found(set, "2001:db9::") == "none");
}

TEST_CASE("network set: an empty set, the whole world, both ends, twice the same") {
  CHECK(found(NetworkSet(), "10.0.0.1") == "none");
  CHECK(NetworkSet().empty());
  const auto all = set_of({"::/0"});
  CHECK(found(all, "::") == "0");
  CHECK(found(all, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff") == "0");
  CHECK(found(all, "10.0.0.1") == "none");
  const auto ends = set_of(
      {"::/128", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", "255.255.255.255", "0.0.0.0"});
  CHECK(found(ends, "::") == "0");
  CHECK(found(ends, "::1") == "none");
  CHECK(found(ends, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff") == "1");
  CHECK(found(ends, "255.255.255.255") == "2");
  CHECK(found(ends, "255.255.255.254") == "none");
  CHECK(found(ends, "0.0.0.0") == "3");
  const auto twice = set_of({"10.0.0.0/8", "192.0.2.1", "10.0.0.0/8"});
  CHECK(twice.size() == 2);
  CHECK(found(twice, "10.0.0.1") == "2");
}

TEST_CASE("network set: agrees with a comparison of single bits") {
  std::mt19937_64 random(7);
  for (int round = 0; round < 60; ++round) {
    std::vector<NetworkSet::Entry> entries;
    const std::size_t count = random() % 60;
    for (std::size_t i = 0; i < count; ++i) {
      const int length = static_cast<int>(random() % 4 == 0 ? random() % 129 : 128 - random() % 24);
      const IpAddress address = random_address(random);
      entries.push_back({Network(address, address.is_v4() ? length - 96 : length),
                         static_cast<std::uint32_t>(i)});
    }
    const NetworkSet set(entries);
    for (int i = 0; i < 200; ++i) {
      const IpAddress address = random_address(random);
      INFO("round " << round << ", " << address.to_string());
      CHECK(set.find(address) == naive_find(entries, address));
    }
    for (const auto& entry : entries)
      CHECK(set.find(entry.network.address()) == naive_find(entries, entry.network.address()));
  }
}

TEST_CASE("network: contains agrees with a comparison of single bits") {
  std::mt19937_64 random(11);
  int inside = 0;
  for (int i = 0; i < 20'000; ++i) {
    const IpAddress base = random_address(random);
    const Network network(base, static_cast<int>(random() % 129));
    const IpAddress address = random_address(random);
    INFO(network.to_string() << ' ' << address.to_string());
    const bool expected = naive_find({{network, 0}}, address).has_value();
    REQUIRE(network.contains(address) == expected);
    REQUIRE(network.contains(base));
    REQUIRE(network.contains(Network(address, 128)) == expected);
    REQUIRE(Network::parse(network.to_string()) == network);
    inside += expected ? 1 : 0;
  }
  CHECK(inside > 1000);
}

TEST_CASE("network set: a hundred thousand networks are built and asked quickly") {
  std::mt19937_64 random(3);
  std::vector<NetworkSet::Entry> entries;
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    entries.push_back({Network(IpAddress::from_v4(static_cast<std::uint32_t>(random())),
                               static_cast<int>(12 + random() % 21)),
                       i});
  }
  const auto start = std::clock();
  const NetworkSet set(entries);
  const auto built = std::clock();
  std::size_t hits = 0;
  for (int i = 0; i < 100'000; ++i)
    hits += set.contains(IpAddress::from_v4(static_cast<std::uint32_t>(random()))) ? 1 : 0;
  const auto asked = std::clock();
  // Of this process: what else the machine does is not counted.
  const auto ms = [](std::clock_t from, std::clock_t to) {
    return 1000.0 * static_cast<double>(to - from) / CLOCKS_PER_SEC;
  };
  INFO("built in " << ms(start, built) << " ms, 100,000 look-ups in " << ms(built, asked) << " ms, "
                   << set.memory_bytes() << " octets, " << hits << " hits");
  CHECK(hits > 0);
  CHECK(set.memory_bytes() <= 100'000 * 42 + 64);
  // Ten times what it takes on an idle machine: a test that fails must mean something.
  CHECK(ms(start, built) < 5000);
}
