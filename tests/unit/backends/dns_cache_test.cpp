#include "backends/dns_cache.h"

#include <catch2/catch.hpp>

using namespace sluice::backends;
using std::chrono::seconds;

namespace {

DnsAnswer text(std::string value) {
  return DnsAnswer{.status = DnsStatus::Ok,
                   .records = {DnsRecord{.address = {}, .text = std::move(value)}}};
}
const DnsCache::Time kStart{};

}  // namespace

TEST_CASE("dns cache: keeps an answer until its TTL is over") {
  DnsCache cache(10);
  cache.insert("a.example", DnsType::Txt, text("one"), seconds(60), kStart);
  REQUIRE(cache.find("a.example", DnsType::Txt, kStart + seconds(59)));
  CHECK(cache.find("a.example", DnsType::Txt, kStart + seconds(59))->records.at(0).text == "one");
  CHECK_FALSE(cache.find("a.example", DnsType::Mx, kStart));
  CHECK_FALSE(cache.find("a.example", DnsType::Txt, kStart + seconds(60)));
  CHECK(cache.size() == 0);
  CHECK(cache.bytes() == 0);
}

TEST_CASE("dns cache: a TTL of 0 and a cache of 0 keep nothing") {
  DnsCache cache(10), none(0);
  cache.insert("a.example", DnsType::Txt, text("one"), seconds(0), kStart);
  none.insert("a.example", DnsType::Txt, text("one"), seconds(60), kStart);
  CHECK(cache.size() == 0);
  CHECK(none.size() == 0);
}

TEST_CASE("dns cache: a later answer replaces the earlier, with 0 too") {
  DnsCache cache(10);
  cache.insert("a.example", DnsType::Txt, text("one"), seconds(60), kStart);
  cache.insert("a.example", DnsType::Txt, text("two"), seconds(90), kStart);
  CHECK(cache.size() == 1);
  CHECK(cache.find("a.example", DnsType::Txt, kStart + seconds(80))->records.at(0).text == "two");
  cache.insert("a.example", DnsType::Txt, text("three"), seconds(0), kStart);
  CHECK_FALSE(cache.find("a.example", DnsType::Txt, kStart));
}

TEST_CASE("dns cache: a flood pushes out the least recently used and nothing grows") {
  DnsCache cache(100);
  cache.insert("often.example", DnsType::A, text("x"), seconds(60), kStart);
  for (int i = 0; i < 100'000; ++i) {
    cache.insert("flood" + std::to_string(i) + ".example", DnsType::A,
                 {.status = DnsStatus::NxDomain, .records = {}}, seconds(60), kStart);
    if (i % 50 == 0) REQUIRE(cache.find("often.example", DnsType::A, kStart));
  }
  CHECK(cache.size() == 100);
  CHECK_FALSE(cache.find("flood0.example", DnsType::A, kStart));
  CHECK(cache.find("flood99999.example", DnsType::A, kStart));
}

TEST_CASE(
    "dns cache: large answers are not kept, many middling ones stay within the bytes allowed") {
  DnsCache cache(1'000'000);
  cache.insert("huge.example", DnsType::Txt, text(std::string(60'000, 'x')), seconds(60), kStart);
  CHECK(cache.size() == 0);
  for (int i = 0; i < 20'000; ++i)
    cache.insert(std::to_string(i), DnsType::Txt, text(std::string(8000, 'x')), seconds(60),
                 kStart);
  CHECK(cache.bytes() <= kMaxCacheBytes);
  CHECK(cache.bytes() > kMaxCacheBytes / 2);
  CHECK(cache.size() < 10'000);
}

TEST_CASE("dns cache: an answer in hand outlives its entry") {
  DnsCache cache(1);
  cache.insert("a.example", DnsType::Txt, text("one"), seconds(60), kStart);
  const auto kept = cache.find("a.example", DnsType::Txt, kStart);
  cache.insert("b.example", DnsType::Txt, text("two"), seconds(60), kStart);
  CHECK(kept->records.at(0).text == "one");
}
