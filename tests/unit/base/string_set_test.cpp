#include "base/string_set.h"

#include <catch2/catch.hpp>
#include <ctime>
#include <map>
#include <random>
#include <set>
#include <string>

using namespace sluice;

namespace {

std::vector<std::string_view> views_of(const std::vector<std::string>& texts) {
  return {texts.begin(), texts.end()};
}

}  // namespace

TEST_CASE("string set: has what it was given, and nothing else") {
  const std::vector<std::string_view> texts{"ann@example.com", "", "bob@example.com",
                                            std::string_view("a\0b", 3), "ann@example.com"};
  const StringSet set{std::span<const std::string_view>(texts)};
  CHECK(set.size() == 4);
  for (const std::string_view text : texts) CHECK(set.contains(text));
  for (const std::string_view text :
       {"Ann@example.com", "ann@example.co", "ann@example.comm", "a", " "})
    CHECK_FALSE(set.contains(text));
  CHECK(set.find("bob@example.com") == 0U);
  CHECK_FALSE(set.find("carol@example.com"));
}

TEST_CASE("string set: an empty set has nothing") {
  CHECK_FALSE(StringSet().contains(""));
  CHECK_FALSE(StringSet(std::span<const std::string_view>()).contains("a"));
  CHECK_FALSE(StringSet(std::span<const StringSet::Entry>()).find("a"));
  CHECK(StringSet().empty());
}

TEST_CASE("string set: values, the last of equal texts") {
  const std::vector<StringSet::Entry> entries{{"a", 1}, {"b", 2}, {"a", 3}};
  const StringSet set{std::span<const StringSet::Entry>(entries)};
  CHECK(set.size() == 2);
  CHECK(set.find("a") == 3U);
  CHECK(set.find("b") == 2U);
  CHECK_FALSE(set.find("c"));
}

TEST_CASE("string set: agrees with std::map over crowded random texts") {
  std::mt19937_64 random(5);
  const auto word = [&random] {
    std::string text(random() % 4 == 0 ? random() % 300 : random() % 4, 'a');
    for (char& c : text) c = static_cast<char>('a' + random() % 3);
    return text;
  };
  for (int round = 0; round < 50; ++round) {
    std::vector<std::string> texts(random() % 200);
    for (std::string& text : texts) text = word();
    std::vector<StringSet::Entry> entries;
    std::map<std::string, std::uint32_t> model;
    for (const std::string& text : texts) {
      entries.push_back({text, static_cast<std::uint32_t>(random())});
      model[text] = entries.back().value;
    }
    const StringSet set{std::span<const StringSet::Entry>(entries)};
    CHECK(set.size() == model.size());
    for (int i = 0; i < 300; ++i) {
      const std::string text =
          i < static_cast<int>(texts.size()) ? texts[static_cast<std::size_t>(i)] : word();
      const auto expected = model.find(text);
      CHECK(set.contains(text) == (expected != model.end()));
      CHECK(set.find(text) ==
            (expected != model.end() ? std::optional(expected->second) : std::nullopt));
    }
  }
}

TEST_CASE(
    "string set: a million addresses are built and asked quickly, within four times their octets") {
  std::vector<std::string> texts;
  std::size_t octets = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    texts.push_back("user" + std::to_string(i) + "@d" + std::to_string(i % 1000) + ".example");
    octets += texts.back().size();
  }
  const auto views = views_of(texts);
  const auto start = std::clock();
  const StringSet set{std::span<const std::string_view>(views)};
  const auto built = std::clock();
  std::size_t hits = 0;
  for (std::size_t i = 0; i < 100'000; ++i) hits += set.contains(texts[i * 7]) ? 1 : 0;
  std::size_t misses = 0;
  for (int i = 0; i < 100'000; ++i) misses += set.contains("nobody" + std::to_string(i)) ? 0 : 1;
  const auto asked = std::clock();
  // Of this process: what else the machine does is not counted.
  const auto ms = [](std::clock_t from, std::clock_t to) {
    return 1000.0 * static_cast<double>(to - from) / CLOCKS_PER_SEC;
  };
  INFO("built in " << ms(start, built) << " ms, 200,000 look-ups in " << ms(built, asked) << " ms, "
                   << set.memory_bytes() << " octets for " << octets);
  CHECK(set.size() == 1'000'000);
  CHECK(hits == 100'000);
  CHECK(misses == 100'000);
  CHECK(set.memory_bytes() < octets * 2);
  // Ten times what it takes on an idle machine: a test that fails must mean something.
  CHECK(ms(start, built) < 5000);
}
