#include "base/utf8.h"

#include <catch2/catch.hpp>
#include <string>

using namespace sluice;

TEST_CASE("utf8: every code point comes back as it went") {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    append_utf8(text, c);
    const CodePoint point = decode_utf8(text, 0);
    if (point.value != c || point.length != text.size())
      FAIL("U+" << std::hex << static_cast<unsigned>(c));
    // Cut short it is nothing.
    if (text.size() > 1 &&
        decode_utf8(std::string_view(text).substr(0, text.size() - 1), 0).length != 0) {
      FAIL("U+" << std::hex << static_cast<unsigned>(c));
    }
  }
}

TEST_CASE(
    "utf8: exactly as many sequences of each length are well-formed as there are code points") {
  std::size_t two = 0;
  std::size_t three = 0;
  std::string text(3, '\0');
  for (int a = 0x80; a < 0x100; ++a) {
    for (int b = 0; b < 0x100; ++b) {
      text[0] = static_cast<char>(a);
      text[1] = static_cast<char>(b);
      two += decode_utf8(std::string_view(text).substr(0, 2), 0).length == 2 ? 1 : 0;
      for (int c = 0; c < 0x100; ++c) {
        text[2] = static_cast<char>(c);
        three += decode_utf8(text, 0).length == 3 ? 1 : 0;
      }
    }
  }
  CHECK(two == 0x800 - 0x80);
  CHECK(three == 0x10000 - 0x800 - 0x800);  // without the surrogates
}

TEST_CASE("utf8: what is not well-formed has length 0") {
  for (const std::string_view text :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC3", "\xC3(", "\xE0\x80\x80", "\xE2\x82",
        "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
        "\xF8\x88\x80\x80\x80", "\xFE", "\xFF"}) {
    CHECK(decode_utf8(text, 0).length == 0);
    CHECK_FALSE(is_utf8(text));
  }
  CHECK(decode_utf8("", 0).length == 0);
  CHECK(decode_utf8("a", 1).length == 0);
  CHECK(decode_utf8("a", 99).length == 0);
  CHECK(is_utf8(""));
  CHECK(is_utf8("grüße 日本 😀"));
  CHECK_FALSE(is_utf8("grüße \xFF"));
  CHECK(is_ascii("a\x7F"));
  CHECK_FALSE(is_ascii("a\x80"));
}

TEST_CASE("utf8: a prefix never cuts a code point in two") {
  const std::string text = "aü日😀";  // 1 + 2 + 3 + 4 octets
  const std::size_t lengths[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
  for (std::size_t octets = 0; octets < std::size(lengths); ++octets)
    CHECK(utf8_prefix(text, octets).size() == lengths[octets]);
  // Where there is no code point to save, the cut is where it was asked for.
  CHECK(utf8_prefix(std::string(10, '\x80'), 5).size() == 5);
}
