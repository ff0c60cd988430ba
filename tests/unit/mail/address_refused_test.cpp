// Texts that are no mail address, one slip away from the grammar.
#include <catch2/catch.hpp>
#include <initializer_list>
#include <string_view>

#include "../../fuzz/naive_mailbox.h"
#include "mail/address.h"

using namespace sluice::mail;
using namespace std::string_view_literals;

namespace {

void check_refused_everywhere(std::initializer_list<std::string_view> texts) {
  for (const std::string_view text : texts) {
    for (const Utf8 utf8 : {Utf8::Refused, Utf8::Allowed}) {
      INFO(text);
      const auto address = parse_mailbox(text, utf8);
      CHECK_FALSE(address);
      CHECK((address || !address.error().what.empty()));
      CHECK_FALSE(sluice::fuzz::naive_is_mailbox(text, utf8 == Utf8::Allowed));
    }
  }
}

}  // namespace

TEST_CASE("address table: atoms: specials, blanks and controls need quotes") {
  check_refused_everywhere({"(@example.com"sv,      ")@example.com"sv,      "<@example.com"sv,
                            ">@example.com"sv,      "[@example.com"sv,      "]@example.com"sv,
                            ":@example.com"sv,      ";@example.com"sv,      ",@example.com"sv,
                            "\\@example.com"sv,     " @example.com"sv,      "\"@example.com"sv,
                            "a(b@example.com"sv,    "a)b@example.com"sv,    "a<b@example.com"sv,
                            "a>b@example.com"sv,    "a[b@example.com"sv,    "a]b@example.com"sv,
                            "a:b@example.com"sv,    "a;b@example.com"sv,    "a,b@example.com"sv,
                            "a\\b@example.com"sv,   "a b@example.com"sv,    "a\"b@example.com"sv,
                            "\000@example.com"sv,   "\001@example.com"sv,   "\002@example.com"sv,
                            "\003@example.com"sv,   "\004@example.com"sv,   "\005@example.com"sv,
                            "\006@example.com"sv,   "\007@example.com"sv,   "\010@example.com"sv,
                            "\011@example.com"sv,   "\012@example.com"sv,   "\013@example.com"sv,
                            "\014@example.com"sv,   "\015@example.com"sv,   "\016@example.com"sv,
                            "\017@example.com"sv,   "\020@example.com"sv,   "\021@example.com"sv,
                            "\022@example.com"sv,   "\023@example.com"sv,   "\024@example.com"sv,
                            "\025@example.com"sv,   "\026@example.com"sv,   "\027@example.com"sv,
                            "\030@example.com"sv,   "\031@example.com"sv,   "\032@example.com"sv,
                            "\033@example.com"sv,   "\034@example.com"sv,   "\035@example.com"sv,
                            "\036@example.com"sv,   "\037@example.com"sv,   "\177@example.com"sv,
                            "a\000b@example.com"sv, "a\011b@example.com"sv, "a\012b@example.com"sv,
                            "a\015b@example.com"sv, "a\033b@example.com"sv, "a\037b@example.com"sv,
                            "a\177b@example.com"sv});
}

TEST_CASE("address table: dots: not first, not last, not two") {
  check_refused_everywhere({".@example.com"sv, "..@example.com"sv, ".a@example.com"sv,
                            "a.@example.com"sv, "a..b@example.com"sv, ".a.b@example.com"sv,
                            "a.b.@example.com"sv, "a...b@example.com"sv, "...@example.com"sv,
                            "..\"a\"@example.com"sv});
}

TEST_CASE("address table: no local part, no domain, no @") {
  check_refused_everywhere({""sv, "@"sv, "@@"sv, "@example.com"sv, "ann@"sv, "ann"sv,
                            "ann.example.com"sv, "a b"sv, "\"ann\""sv, "\"\""sv, "@\"ann\""sv,
                            "ann@@example.com"sv, "ann@b@example.com"sv, "@@example.com"sv,
                            "@a@example.com"sv, "ann@example.com@"sv, "ann example.com"sv,
                            "ann\357\274\240example.com"sv});
}

TEST_CASE("address table: quotes: closed, whole, with backslashes in front of what they quote") {
  check_refused_everywhere(
      {"\"ann@example.com"sv, "ann\"@example.com"sv, "\"ann\"b@example.com"sv,
       "a\"ann\"@example.com"sv, "\"a\"b\"@example.com"sv, "\"a\"\"b\"@example.com"sv,
       "\"a\".b@example.com"sv, "b.\"a\"@example.com"sv, "\"a\".\"b\"@example.com"sv,
       "\"\\\"@example.com"sv, "\"a\\\"@example.com"sv, "\"\"\"@example.com"sv,
       "\\\"a\\\"@example.com"sv, "\"ann\" @example.com"sv, " \"ann\"@example.com"sv,
       "\"ann'@example.com"sv, "\"ann@\""sv, "\"ann\"@"sv, "\"ann\"example.com"sv});
}

TEST_CASE("address table: quotes: no control stands between them, escaped or not") {
  check_refused_everywhere(
      {"\"\000\"@example.com"sv,   "\"\001\"@example.com"sv,   "\"\002\"@example.com"sv,
       "\"\003\"@example.com"sv,   "\"\004\"@example.com"sv,   "\"\005\"@example.com"sv,
       "\"\006\"@example.com"sv,   "\"\007\"@example.com"sv,   "\"\010\"@example.com"sv,
       "\"\011\"@example.com"sv,   "\"\012\"@example.com"sv,   "\"\013\"@example.com"sv,
       "\"\014\"@example.com"sv,   "\"\015\"@example.com"sv,   "\"\016\"@example.com"sv,
       "\"\017\"@example.com"sv,   "\"\020\"@example.com"sv,   "\"\021\"@example.com"sv,
       "\"\022\"@example.com"sv,   "\"\023\"@example.com"sv,   "\"\024\"@example.com"sv,
       "\"\025\"@example.com"sv,   "\"\026\"@example.com"sv,   "\"\027\"@example.com"sv,
       "\"\030\"@example.com"sv,   "\"\031\"@example.com"sv,   "\"\032\"@example.com"sv,
       "\"\033\"@example.com"sv,   "\"\034\"@example.com"sv,   "\"\035\"@example.com"sv,
       "\"\036\"@example.com"sv,   "\"\037\"@example.com"sv,   "\"\177\"@example.com"sv,
       "\"\\\000\"@example.com"sv, "\"\\\011\"@example.com"sv, "\"\\\012\"@example.com"sv,
       "\"\\\015\"@example.com"sv, "\"\\\177\"@example.com"sv});
}

TEST_CASE("address table: domains: only letters, digits and inner hyphens") {
  check_refused_everywhere(
      {"ann@a!b.com"sv,     "ann@a#b.com"sv,    "ann@a$b.com"sv,    "ann@a%b.com"sv,
       "ann@a&b.com"sv,     "ann@a'b.com"sv,    "ann@a*b.com"sv,    "ann@a+b.com"sv,
       "ann@a/b.com"sv,     "ann@a=b.com"sv,    "ann@a?b.com"sv,    "ann@a^b.com"sv,
       "ann@a_b.com"sv,     "ann@a`b.com"sv,    "ann@a{b.com"sv,    "ann@a|b.com"sv,
       "ann@a}b.com"sv,     "ann@a~b.com"sv,    "ann@a(b.com"sv,    "ann@a)b.com"sv,
       "ann@a<b.com"sv,     "ann@a>b.com"sv,    "ann@a[b.com"sv,    "ann@a]b.com"sv,
       "ann@a:b.com"sv,     "ann@a;b.com"sv,    "ann@a,b.com"sv,    "ann@a\\b.com"sv,
       "ann@a\"b.com"sv,    "ann@a b.com"sv,    "ann@a\000b.com"sv, "ann@a\011b.com"sv,
       "ann@a\012b.com"sv,  "ann@a\015b.com"sv, "ann@a\177b.com"sv, "ann@."sv,
       "ann@.."sv,          "ann@.com"sv,       "ann@com."sv,       "ann@a..b"sv,
       "ann@a.b."sv,        "ann@.a.b"sv,       "ann@-"sv,          "ann@-a"sv,
       "ann@a-"sv,          "ann@a.-b"sv,       "ann@a-.b"sv,       "ann@a.b-"sv,
       "ann@a.-.b"sv,       "ann@ a"sv,         "ann@a "sv,         "ann@*.com"sv,
       "ann@_a.com"sv,      "ann@a_.com"sv,     "ann@ann@b"sv,      "ann@a@b"sv,
       "ann@\"a\""sv,       "ann@<a>"sv,        "ann@a,b"sv,        "ann@(a)"sv,
       "ann@a(b)"sv,        "ann@http://a"sv,   "ann@a/"sv,         "ann@a:25"sv,
       "ann@2001:db8::1"sv, "ann@xn--"sv,       "ann@xn--.com"sv,   "ann@a.b.."sv});
}

TEST_CASE("address table: literals: brackets around one address, and only that") {
  check_refused_everywhere({"ann@[]"sv,
                            "ann@["sv,
                            "ann@]["sv,
                            "ann@[192.0.2.1"sv,
                            "ann@192.0.2.1]"sv,
                            "ann@[192.0.2.1].com"sv,
                            "ann@a[192.0.2.1]"sv,
                            "ann@[[192.0.2.1]]"sv,
                            "ann@[192.0.2]"sv,
                            "ann@[192.0.2.1.1]"sv,
                            "ann@[192.0.2.256]"sv,
                            "ann@[192.0.2.0001]"sv,
                            "ann@[192.0.2.-1]"sv,
                            "ann@[192.0.2.+1]"sv,
                            "ann@[192.0.2.1 ]"sv,
                            "ann@[ 192.0.2.1]"sv,
                            "ann@[192.0.2.]"sv,
                            "ann@[.0.2.1]"sv,
                            "ann@[192..2.1]"sv,
                            "ann@[0x7f.0.0.1]"sv,
                            "ann@[127.1]"sv,
                            "ann@[2130706433]"sv,
                            "ann@[192.0.2.1/32]"sv,
                            "ann@[192.0.2.1:25]"sv,
                            "ann@[example.com]"sv,
                            "ann@[::1]"sv,
                            "ann@[2001:db8::1]"sv,
                            "ann@[IPv6]"sv,
                            "ann@[IPv6:]"sv,
                            "ann@[IPv6: ::1]"sv,
                            "ann@[IPv6:192.0.2.1]"sv,
                            "ann@[IPv6::]"sv,
                            "ann@[IPv6:1]"sv,
                            "ann@[IPv6:1:2:3:4:5:6:7]"sv,
                            "ann@[IPv6:1:2:3:4:5:6:7:8:9]"sv,
                            "ann@[IPv6:1:2:3:4:5:6:7:8::]"sv,
                            "ann@[IPv6:::1:2:3:4:5:6:7:8]"sv,
                            "ann@[IPv6:::2:3:4:5:6:7:8]"sv,
                            "ann@[IPv6:1::3:4:5:6:7:8]"sv,
                            "ann@[IPv6:1:2:3:4:5:6:7::]"sv,
                            "ann@[IPv6:1:2:3:4:5::1.2.3.4]"sv,
                            "ann@[IPv6:1::2::3]"sv,
                            "ann@[IPv6::::]"sv,
                            "ann@[IPv6::::1]"sv,
                            "ann@[IPv6:12345::]"sv,
                            "ann@[IPv6:g::]"sv,
                            "ann@[IPv6:1:]"sv,
                            "ann@[IPv6::1:2]"sv,
                            "ann@[IPv6:::1.2.3]"sv,
                            "ann@[IPv6:::1.2.3.256]"sv,
                            "ann@[IPv6:1.2.3.4::]"sv,
                            "ann@[IPv6:1:2:3:4:5:6:7:1.2.3.4]"sv,
                            "ann@[IPv6:fe80::1%eth0]"sv,
                            "ann@[IPv6:::1/128]"sv,
                            "ann@[IPv4:192.0.2.1]"sv,
                            "ann@[IPv4-x:a]"sv,
                            "ann@[tag:content]"sv,
                            "ann@[IPv7:::1]"sv,
                            "ann@[IPv6;::1]"sv,
                            "ann@[x]"sv});
}

TEST_CASE("address table: octets outside UTF-8") {
  check_refused_everywhere(
      {"\377@example.com"sv, "\303@example.com"sv, "\303(@example.com"sv, "\300\257@example.com"sv,
       "\340\200\257@example.com"sv, "\355\240\200@example.com"sv, "\364\220\200\200@example.com"sv,
       "\370\210\200\200\200@example.com"sv, "\"\377\"@example.com"sv, "a\200@example.com"sv,
       "ann@b\374cher.example"sv, "\342\202@example.com"sv, "ann@example.com\303"sv});
}

TEST_CASE(
    "address table: UTF-8: not behind a backslash, not in a literal, no name that IDNA refuses") {
  check_refused_everywhere({"\"\\\303\244\"@example.com"sv,
                            "ann@[\303\244]"sv,
                            "ann@[IPv6:\303\244]"sv,
                            "ann@[\357\274\221.2.3.4]"sv,
                            "ann@\342\230\203.example"sv,
                            "ann@b_\303\274.example"sv,
                            "ann@-\303\274.example"sv,
                            "ann@\303\274-.example"sv,
                            "ann@a\342\204\200b.example"sv,
                            "ann@\303\274..example"sv,
                            "ann@.\303\274"sv,
                            "ann@\303\274."sv,
                            "ann@\303\274\343\200\202"sv,
                            "ann@\342\200\215.example"sv,
                            "ann@\303\274 b.example"sv,
                            "ann@\303\274@b.example"sv,
                            ".\303\244@example.com"sv,
                            "\303\244.@example.com"sv,
                            "\303\244..\303\244@example.com"sv,
                            "\303\244"sv,
                            "@\303\274.example"sv,
                            "\303\244@"sv});
}
