#include "mail/domain.h"

#include <catch2/catch.hpp>
#include <string>

using namespace sluice::mail;

namespace {
std::string label(std::size_t length) { return std::string(length, 'a'); }
std::string ascii(std::string_view text) { return to_ascii_domain(text).value_or("refused"); }
}  // namespace

TEST_CASE("domain: one key for every spelling of a name") {
  struct Row {
    std::string_view text, key;
  };
  const Row rows[] = {
      {"example.com", "example.com"},
      {"EXAMPLE.Com", "example.com"},
      {"example.com.", "example.com"},
      {"localhost", "localhost"},
      {"a", "a"},
      {"3com.com", "3com.com"},
      {"1.2.3.4", "1.2.3.4"},
      {"a--b.example", "a--b.example"},
      {"r3---sn-x.example", "r3---sn-x.example"},
      {"xn--bcher-kva.example", "xn--bcher-kva.example"},
      {"XN--BCHER-KVA.example", "xn--bcher-kva.example"},
      {"bücher.example", "xn--bcher-kva.example"},
      {"BÜCHER.example", "xn--bcher-kva.example"},
      {"bu\u0308cher.example", "xn--bcher-kva.example"},
      {"straße.example", "xn--strae-oqa.example"},
      {"faß.de", "xn--fa-hia.de"},
      {"日本語。ＪＰ", "xn--wgv71a119e.jp"},
      {"ｅｘａｍｐｌｅ．com", "example.com"},
      {"münchen.de.", "xn--mnchen-3ya.de"},
      {"пример.рф", "xn--e1afmkfd.xn--p1ai"},
      {"παράδειγμα.ελ", "xn--hxajbheg2az3al.xn--qxam"},
      {"xn--i-7iq.ws", "xn--i-7iq.ws"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(ascii(row.text) == row.key);
    CHECK(ascii(ascii(row.text)) == row.key);
  }
}

TEST_CASE("domain: what is no domain name is refused, never repaired") {
  for (const std::string_view text : {"",
                                      ".",
                                      "..",
                                      ".example.com",
                                      "example..com",
                                      "example.com..",
                                      "-a.com",
                                      "a-.com",
                                      "ex_ample.com",
                                      "_dmarc.example.com",
                                      "a b.com",
                                      " example.com",
                                      "example.com ",
                                      "exam!ple.com",
                                      "user@example.com",
                                      "[192.0.2.1]",
                                      "example.com:25",
                                      "a/b.com",
                                      "2001:db8::1",
                                      "*.example.com",
                                      "bü_cher.example",
                                      "-bücher.example",
                                      "a\u2100b.com",
                                      "bücher..example",
                                      "\xFF.com",
                                      "b\xC3.com",
                                      "☃.example",
                                      "\u200D.example",
                                      "xn--",
                                      "xn--.com",
                                      "a\tb.com",
                                      "a\r\n.com",
                                      "％.com"}) {
    INFO(text);
    CHECK(ascii(text) == "refused");
  }
  CHECK_FALSE(to_ascii_domain(std::string_view("a\0.com", 6)));
  CHECK_FALSE(to_ascii_domain(std::string_view("\xC3\xBC\0.com", 7)));
}

TEST_CASE("domain: labels to 63 and names to 255 octets") {
  CHECK(to_ascii_domain(label(63) + ".com"));
  CHECK_FALSE(to_ascii_domain(label(64) + ".com"));
  const std::string long_name = label(63) + "." + label(63) + "." + label(63) + "." + label(63);
  CHECK(long_name.size() == 255);
  CHECK(to_ascii_domain(long_name));
  CHECK(to_ascii_domain(long_name + "."));
  CHECK_FALSE(to_ascii_domain("a." + long_name));
  CHECK_FALSE(to_ascii_domain(std::string(1'000'000, 'a')));
  CHECK_FALSE(to_ascii_domain("ü" + std::string(1'000'000, 'a')));
}

TEST_CASE("is_under: by labels, never by the end of a string") {
  CHECK(is_under("example.com", "example.com"));
  CHECK(is_under("mail.example.com", "example.com"));
  CHECK(is_under("a.b.example.com", "com"));
  CHECK_FALSE(is_under("notexample.com", "example.com"));
  CHECK_FALSE(is_under("example.com", "mail.example.com"));
  CHECK_FALSE(is_under("example.com", ""));
  CHECK_FALSE(is_under("", ""));
  CHECK_FALSE(is_under("", "com"));
  CHECK_FALSE(is_under("google.com", "gle.com"));
}

TEST_CASE("address literal: one form for every spelling") {
  struct Row {
    std::string_view text, form;
  };
  const Row rows[] = {{"[192.0.2.1]", "[192.0.2.1]"},
                      {"[IPv6:2001:DB8:0::1]", "[IPv6:2001:db8::1]"},
                      {"[ipv6:::1]", "[IPv6:::1]"},
                      {"[IPv6:::ffff:192.0.2.1]", "[192.0.2.1]"}};
  for (const Row& row : rows) CHECK(to_address_literal(row.text) == std::string(row.form));
  for (const std::string_view text :
       {"", "[]", "[", "]", "192.0.2.1", "[192.0.2.1", "192.0.2.1]", "[2001:db8::1]",
        "[IPv6:192.0.2.1]", "[IPv6:]", "[ 192.0.2.1]", "[192.0.2.256]", "[x:y]",
        "[IPv7:::1]", "[[192.0.2.1]]", "[IPv6:fe80::1%eth0]", "[example.com]"}) {
    INFO(text);
    CHECK_FALSE(to_address_literal(text));
  }
}

TEST_CASE("helo: a domain or an address literal, nothing else") {
  for (const std::string_view text :
       {"mail.example.com", "localhost", "[192.0.2.1]", "[IPv6:2001:db8::1]", "1.2.3.4",
        "MAIL.example.com", "xn--bcher-kva.example"}) {
    INFO(text);
    CHECK(is_valid_helo(text));
  }
  for (const std::string_view text :
       {"", "mail.example.com.", "my_pc", "bücher.example", "[2001:db8::1]", "a b", "-",
        "[192.0.2.1] ", "2001:db8::1", "mail..example"}) {
    INFO(text);
    CHECK_FALSE(is_valid_helo(text));
  }
}

TEST_CASE("fully qualified: two labels, the last not all digits") {
  for (const std::string_view text :
       {"mail.example.com", "a.b", "3com.com", "example.com.", "bücher.example", "1.2.3.4a"})
    CHECK(is_fully_qualified(text));
  for (const std::string_view text : {"", "localhost", "1.2.3.4", "a.1", "[192.0.2.1]", "a..b",
                                      "localhost.", "my_pc.example.com"})
    CHECK_FALSE(is_fully_qualified(text));
}
