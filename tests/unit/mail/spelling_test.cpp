// Many spellings of one mailbox or domain, one key: what a sender varies must not buy a second
// counter, and what differs must not share one.
#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "base/text.h"
#include "base/utf8.h"
#include "mail/address.h"
#include "mail/domain.h"

using namespace sluice;
using namespace sluice::mail;

namespace {

std::string with_case(std::string text, unsigned bits) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool letter = text[i] >= 'a' && text[i] <= 'z';
    if (letter && (bits >> i % 16 & 1U) != 0) text[i] = static_cast<char>(text[i] - 32);
  }
  return text;
}

// In quotes, with a backslash in front of the characters that the bits choose.
std::string with_quotes(const std::string& text, unsigned bits) {
  std::string quoted = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((bits >> i & 1U) != 0) quoted += '\\';
    quoted += text[i];
  }
  return quoted + '"';
}

}  // namespace

TEST_CASE("spelling: hundreds of ways to write a mailbox have one key") {
  const std::string name = "ann.lee";
  std::set<std::string> all;
  for (unsigned bits = 0; bits < 128; ++bits) {
    const std::string spelled = with_case(name, bits);
    all.insert(spelled + '@' + with_case("example.com", bits * 37));
    all.insert(with_quotes(spelled, bits) + '@' + with_case("example.com", ~bits));
    all.insert(with_quotes(name, ~bits & 0x7F) + "@example.com");
  }
  CHECK(all.size() > 300);
  for (const std::string& text : all) {
    INFO(text);
    const auto address = parse_mailbox(text, Utf8::Refused);
    REQUIRE(address);
    CHECK(address->key() == "ann.lee@example.com");
    CHECK(split_at_last_at(address->key(true)).domain == "example.com");
  }
}

TEST_CASE(
    "spelling: hundreds of ways to write a quoted mailbox at an address literal have one key") {
  std::set<std::string> all;
  for (const char* host : {"[192.0.2.1]", "[IPv6:::ffff:192.0.2.1]",
                           "[ipv6:0:0:0:0:0:FFFF:C000:0201]", "[IPV6:::FFFF:c000:201]"}) {
    for (unsigned bits = 0; bits < 128; ++bits)
      all.insert(with_quotes(with_case("ann lee", bits), bits * 5 & 0x7F) + '@' + host);
  }
  CHECK(all.size() > 300);
  for (const std::string& text : all) {
    INFO(text);
    CHECK(parse_mailbox(text, Utf8::Refused).value().key() == "\"ann lee\"@[192.0.2.1]");
  }
}

TEST_CASE("spelling: hundreds of ways to write a domain have one key") {
  std::set<std::string> all;
  const std::string dots[] = {".", "\u3002", "\uFF0E", "\uFF61"};
  const std::string hosts[] = {"mail",     "MAIL",       "Mail", "ｍａｉｌ",
                               "ＭＡＩＬ", "ma\u00ADil", "mａil"};
  const std::string names[] = {"bücher", "BÜCHER",  "bu\u0308cher",  "BU\u0308CHER",
                               "Bücher", "ｂücher", "xn--bcher-kva", "XN--BCHER-KVA"};
  for (const std::string& dot : dots) {
    for (const std::string& host : hosts) {
      for (const std::string& name : names) {
        for (const char* tail : {"example", "EXAMPLE", "ｅxample"})
          all.insert(host + dot + name + '.' + tail);
      }
    }
  }
  CHECK(all.size() > 600);
  for (const std::string& text : all) {
    INFO(text);
    CHECK(to_ascii_domain(text) == "mail.xn--bcher-kva.example");
    CHECK(to_ascii_domain(text + '.') == "mail.xn--bcher-kva.example");
    CHECK(parse_mailbox("ann@" + text, Utf8::Allowed).value().key() ==
          "ann@mail.xn--bcher-kva.example");
  }
}

TEST_CASE("spelling: what differs has a key of its own") {
  std::set<std::string> keys;
  const char* const texts[] = {"ann@example.com",
                               "ann@example.net",
                               "ann@mail.example.com",
                               "ann.lee@example.com",
                               "annlee@example.com",
                               "\"ann lee\"@example.com",
                               "\"ann  lee\"@example.com",
                               "\"ann@lee\"@example.com",
                               "\"\"@example.com",
                               "\"ann\\\"lee\"@example.com",
                               "\"ann\\\\lee\"@example.com",
                               "ann+x@example.com",
                               "änn@example.com",
                               "ann@[192.0.2.1]",
                               "ann@[192.0.2.2]",
                               "ann@[IPv6:2001:db8::1]",
                               "ann@192.0.2.1",
                               "ann@straße.example",
                               "ann@strasse.example"};
  for (const char* text : texts) keys.insert(parse_mailbox(text, Utf8::Allowed).value().key());
  CHECK(keys.size() == std::size(texts));
}

TEST_CASE("idempotence: folding any character twice changes nothing more") {
  std::size_t changed = 0;
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    append_utf8(text, c);
    const std::string folded = fold(text);
    changed += folded != text ? 1 : 0;
    if (fold(folded) != folded || !is_utf8(folded))
      FAIL("U+" << std::hex << static_cast<unsigned>(c));
  }
  CHECK(changed == 1454);  // 26 letters of ASCII and the 1,428 others of Unicode 14
}

TEST_CASE("idempotence: a domain made of any character is refused, or its key is its own key") {
  std::size_t accepted = 0;
  for (char32_t c = 0; c <= 0x2FFFF; c += c < 0x3000 ? 1 : 13) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text = "a";
    append_utf8(text, c);
    const auto domain = to_ascii_domain(text + "b.example");
    if (!domain) continue;
    ++accepted;
    if (to_ascii_domain(*domain) != domain || fold(*domain) != *domain || !is_ascii(*domain))
      FAIL("U+" << std::hex << static_cast<unsigned>(c));
  }
  CHECK(accepted > 10'000);
}
