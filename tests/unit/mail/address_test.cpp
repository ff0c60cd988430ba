#include "mail/address.h"

#include <catch2/catch.hpp>
#include <string>

using namespace sluice::mail;

namespace {

std::string path(std::string_view text, SourceRoute route = SourceRoute::Refused) {
  const auto parsed = parse_path(text, Utf8::Refused, route);
  if (!parsed) return "refused: " + parsed.error().what;
  return *parsed ? (*parsed)->to_string() : "null";
}

}  // namespace

TEST_CASE("address: the fault is named for a person") {
  struct Row {
    std::string_view text, fault;
  };
  const Row rows[] = {
      {"", "the address is empty"},
      {"ann", "the address has no @"},
      {"@example.com", "the local part is empty"},
      {"ann@", "the domain is empty"},
      {".ann@example.com", "a dot may not stand first in the local part"},
      {"ann.@example.com", "a dot may not stand last in the local part"},
      {"a..b@example.com", "two dots may not stand together in the local part"},
      {"a b@example.com", "the local part has a character that needs quotes"},
      {"\"ann@example.com", "an @ must follow the quoted local part"},
      {"\"ann\"x@example.com", "an @ must follow the quoted local part"},
      {"\"a\tb\"@example.com", "the local part has a character that no quotes allow"},
      {"änn@example.com", "a character outside US-ASCII needs SMTPUTF8"},
      {"ann@bücher.example", "a character outside US-ASCII needs SMTPUTF8"},
      {"ann@example.com.", "a dot may not stand last in the domain"},
      {"ann@ex_ample.com", "the domain is not a valid domain name"},
      {"ann@[1.2.3]", "the address literal is not valid"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    const auto parsed = parse_mailbox(row.text, Utf8::Refused);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().what == row.fault);
  }
  CHECK(parse_mailbox(std::string(65, 'a') + "@example.com", Utf8::Refused).error().what ==
        "the local part is longer than 64 octets");
  CHECK(parse_mailbox("a@" + std::string(300, 'a'), Utf8::Refused).error().what ==
        "the address is longer than 254 octets");
  CHECK(parse_mailbox("\xC3@example.com", Utf8::Allowed).error().what ==
        "the address is not well-formed UTF-8");
}

TEST_CASE("address: parts are kept as a key wants them") {
  const auto address = parse_mailbox("\"Ann B\"@BÜCHER.example", Utf8::Allowed);
  REQUIRE(address);
  CHECK(address->local_part == "\"Ann B\"");
  CHECK(address->domain == "xn--bcher-kva.example");
  CHECK_FALSE(address->is_literal);
  CHECK(address->to_string() == "\"Ann B\"@xn--bcher-kva.example");
  const auto literal = parse_mailbox("ann@[ipv6:2001:DB8:0:0::1]", Utf8::Refused);
  REQUIRE(literal);
  CHECK(literal->is_literal);
  CHECK(literal->domain == "[IPv6:2001:db8::1]");
}

TEST_CASE("path: brackets, null path, postmaster and source routes") {
  CHECK(path("<ann@example.com>") == "ann@example.com");
  CHECK(path("ann@example.com") == "ann@example.com");
  CHECK(path("<>") == "null");
  CHECK(path("") == "null");
  CHECK(path("<Postmaster>") == "Postmaster");
  CHECK(path("<\"a>b\"@example.com>") == "\"a>b\"@example.com");
  for (const std::string_view text : {"<", ">", "<ann@example.com", "ann@example.com>"})
    CHECK(path(text) == "refused: the angle brackets do not match");
  for (const std::string_view text :
       {"<<ann@example.com>>", "<ann>", "< ann@example.com>", "<ann@example.com> ",
        " <ann@example.com>", "<postmaste>", "<po\xC5\xBFtmaster>"}) {
    INFO(text);
    CHECK(path(text).substr(0, 7) == "refused");
  }
  CHECK(path("<@a.example:ann@example.com>") == "refused: a source route is not accepted");
  CHECK(path("<@a.example:ann@example.com>", SourceRoute::Stripped) == "ann@example.com");
  CHECK(path("<@a.example,@b.example:ann@example.com>", SourceRoute::Stripped) ==
        "ann@example.com");
  for (const std::string_view text :
       {"<@a.example>", "<@:ann@example.com>", "<@a.example,b:ann@example.com>",
        "<@a_b:ann@example.com>", "<@a.example,:ann@example.com>",
        "<@a.example.:ann@example.com>"}) {
    INFO(text);
    CHECK(path(text, SourceRoute::Stripped) == "refused: the source route is not valid");
  }
  CHECK(path("<@a.example:>", SourceRoute::Stripped).substr(0, 7) == "refused");
}

TEST_CASE("key: spellings of one mailbox share it") {
  struct Row {
    std::string_view text, key, exact;
  };
  const Row rows[] = {
      {"Ann@Example.COM", "ann@example.com", "Ann@example.com"},
      {"\"Ann\"@example.com", "ann@example.com", "Ann@example.com"},
      {"\"A\\nn\"@example.com", "ann@example.com", "Ann@example.com"},
      {"\"a b\"@example.com", "\"a b\"@example.com", "\"a b\"@example.com"},
      {"\"a\\ b\"@example.com", "\"a b\"@example.com", "\"a b\"@example.com"},
      {"\"a\\\"b\"@example.com", "\"a\\\"b\"@example.com", "\"a\\\"b\"@example.com"},
      {"\"a\\\\b\"@example.com", "\"a\\\\b\"@example.com", "\"a\\\\b\"@example.com"},
      {"\"\"@example.com", "\"\"@example.com", "\"\"@example.com"},
      {"\".a\"@example.com", "\".a\"@example.com", "\".a\"@example.com"},
      {"ÄNN@example.com", "änn@example.com", "ÄNN@example.com"},
      {"\"Änn\"@example.com", "änn@example.com", "Änn@example.com"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    const auto address = parse_mailbox(row.text, Utf8::Allowed);
    REQUIRE(address);
    CHECK(address->key() == row.key);
    CHECK(address->key(true) == row.exact);
    CHECK(parse_mailbox(row.key, Utf8::Allowed).value().key() == row.key);
  }
  CHECK(parse_path("<Postmaster>", Utf8::Refused, SourceRoute::Refused).value()->key() ==
        "postmaster");
}

TEST_CASE("split_at_last_at and strip_brackets: whatever came has two parts") {
  const auto parts = split_at_last_at("a@b@c");
  CHECK(parts.local_part == "a@b");
  CHECK(parts.domain == "c");
  CHECK(split_at_last_at("abc").local_part == "abc");
  CHECK(split_at_last_at("abc").domain.empty());
  CHECK(split_at_last_at("").local_part.empty());
  CHECK(strip_brackets("<a@b>") == "a@b");
  CHECK(strip_brackets("<>").empty());
  CHECK(strip_brackets("<a") == "<a");
  CHECK(strip_brackets("<") == "<");
}

TEST_CASE("strip_tag: for each delimiter, never to an empty name") {
  struct Row {
    std::string_view text, delimiters, stripped;
  };
  const Row rows[] = {
      {"ann+news@x", "+", "ann@x"},
      {"ann+a+b@x", "+", "ann@x"},
      {"ann@x", "+", "ann@x"},
      {"+news@x", "+", "+news@x"},
      {"ann-news@x", "+", "ann-news@x"},
      {"ann-news+b@x", "+-", "ann@x"},
      {"ann+news-b@x", "-+", "ann@x"},
      {"\"ann+news\"@x", "+", "\"ann+news\"@x"},
      {"ann+news", "+", "ann"},
      {"ann+news@x+y", "+", "ann@x+y"},
      {"ann+news@x", "", "ann+news@x"},
      {"owner-list@x", "-", "owner-list@x"},
      {"List-Request@x", "-", "List-Request@x"},
      {"owner-list+tag@x", "-+", "owner-list@x"},
      {"a-b+c-request@x", "-+", "a@x"},
      {"", "+", ""},
      {"@x", "+", "@x"},
      {"a++@x", "+", "a@x"},
  };
  for (const Row& row : rows) {
    INFO(row.text << " by " << row.delimiters);
    CHECK(strip_tag(row.text, row.delimiters) == row.stripped);
    CHECK(strip_tag(row.stripped, row.delimiters) == row.stripped);
  }
}

TEST_CASE("path: a source route is ASCII unless SMTPUTF8 was said") {
  constexpr std::string_view text = "<@b\xC3\xBC" "cher.example:ann@example.com>";
  CHECK(path(text, SourceRoute::Stripped) == "refused: the source route is not valid");
  const auto allowed = parse_path(text, Utf8::Allowed, SourceRoute::Stripped);
  REQUIRE(allowed);
  CHECK(allowed.value()->to_string() == "ann@example.com");
}
