#include "facts/dkim_signature.h"

#include <catch2/catch.hpp>

namespace sluice::facts {

namespace {

const std::string kGood =
    "v=1; a=rsa-sha256; c=relaxed/simple; d=Far.Example; s=s1; h=From:To : subject;\r\n\tbh=AAAA; "
    "b=BBBB CCCC";

std::string with(std::string_view old, std::string_view other) {
  std::string text = kGood;
  text.replace(text.find(old), old.size(), other);
  return text;
}

std::string problem(std::string_view text) {
  const auto parsed = parse_dkim_signature(text);
  return parsed ? "" : parsed.error().what;
}

}  // namespace

TEST_CASE("a signature field is read with its defaults") {
  const auto parsed = parse_dkim_signature(kGood);
  REQUIRE(parsed);
  CHECK(parsed->domain == "far.example");
  CHECK(parsed->identity_domain == "far.example");
  CHECK(parsed->selector == "s1");
  CHECK(parsed->header_form == Canonical::Relaxed);
  CHECK(parsed->body_form == Canonical::Simple);
  CHECK(parsed->signed_fields == std::vector<std::string>{"from", "to", "subject"});
  CHECK(parsed->body_hash == std::string(3, '\0'));
  CHECK(parsed->signature.size() == 6);
  CHECK(parsed->signature_start == "BBBBCCCC");
  CHECK_FALSE(parsed->body_length);
  CHECK_FALSE(parsed->expires_at);
}

TEST_CASE("a signature field without c= is simple, with one word its body is") {
  CHECK(parse_dkim_signature(with(" c=relaxed/simple;", ""))->header_form == Canonical::Simple);
  const auto one = parse_dkim_signature(with("relaxed/simple", "relaxed"));
  REQUIRE(one);
  CHECK(one->header_form == Canonical::Relaxed);
  CHECK(one->body_form == Canonical::Simple);
}

TEST_CASE("a signature field is refused for what RFC 6376 6.1.1 names") {
  const std::pair<std::string, std::string> cases[] = {
      {with("v=1; ", ""), "v= is missing"},
      {with("v=1", "v=2"), "v= is not 1"},
      {with("rsa-sha256", "rsa-md5"), "unknown algorithm in a="},
      {with("relaxed/simple", "nofws"), "unknown canonical form in c="},
      {with("d=Far.Example", "d=example.net(.example.com"), "d= is no domain"},
      {with("d=Far.Example", "d=a b.example"), "d= is no domain"},
      {with("s=s1", "s=a..b"), "s= is no selector"},
      {with("From:", ""), "From is not signed"},
      {with("From:", ":"), "an empty name in h="},
      {with("AAAA", "A*AA"), "bh= is no base 64"},
      {with("BBBB CCCC", ""), "b= is no base 64"},
      {with("BBBB CCCC", "BBBBC"), "b= is no base 64"},
      {kGood + "; i=@other.example", "i= is not below d="},
      {kGood + "; i=@notfar.example", "i= is not below d="},
      {kGood + "; i=nobody", "i= is no identity"},
      {kGood + "; t=20; x=20", "x= is not behind t="},
      {kGood + "; t=-1", "t= is no time"},
      {kGood + "; x=1e9", "x= is no time"},
      {kGood + "; l=", "l= is no number"},
      {kGood + "; q=http", "q= has no dns/txt"},
      {kGood + "; v=1", "tag v stands twice"},
      {kGood + "; ; t=1", "an empty tag"},
      {kGood + "; 1t=1", "a tag with a bad name"},
      {kGood + "; t", "a tag without an equals sign"},
      {kGood + "; n=a\x01", "a control character in a tag"},
  };
  for (const auto& [text, expected] : cases) {
    CAPTURE(text);
    CHECK(problem(text) == expected);
  }
}

TEST_CASE("a signature field is read with what may be there") {
  for (const char* more : {";", "; i=@mail.far.example", "; i=a=20b@far.example", "; unknown=1",
                           "; q=http:dns/txt", "; t=1; x=99999999999; l=0", "; z=From:a@b|To:c"})
    CHECK(problem(kGood + more).empty());
  CHECK(parse_dkim_signature(kGood + "; l=99999999999999999999999")->body_length ==
        std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("a signature field beyond its caps is refused") {
  std::string names = "From";
  for (std::size_t i = 0; i < kMaxSignedFields; ++i) names += ":a";
  CHECK(problem(with("From:To : subject", names)) == "too many names in h=");
  CHECK(problem(with("BBBB CCCC", std::string(4 * kMaxSignatureBytes, 'B'))) == "b= is too long");
  CHECK(problem(kGood + "; z=" + std::string(kMaxTagList, 'z')) == "too long");
  std::string tags = kGood;
  for (std::size_t i = 0; i < kMaxTags; ++i) tags += "; t" + std::to_string(i) + "=1";
  CHECK(problem(tags) == "too many tags");
}

TEST_CASE("the signed text of a signature field is the field without the value of b=") {
  CHECK(without_signature(" v=1; b = AB\r\n CD ; bh=XY") == " v=1; b =; bh=XY");
  CHECK(without_signature(" b=AB") == " b=");
  CHECK(without_signature(" v=1; bh=b=1; d=b;\r\n b=A=") == " v=1; bh=b=1; d=b;\r\n b=");
  CHECK(without_signature(" v=1;") == " v=1;");
}

TEST_CASE("ARC: a message signature has no version, a seal covers no fields of its own choice") {
  const std::string message = "i=1; a=rsa-sha256; d=far.example; s=s1; h=From:To; bh=AAAA; b=BBBB";
  CHECK(parse_arc_message_signature(message));
  CHECK_FALSE(parse_arc_message_signature(message + "; h=x"));
  CHECK_FALSE(
      parse_arc_message_signature("i=1; a=rsa-sha256; d=a.b; s=s1; h=ARC-Seal; bh=AAAA; b=BBBB"));
  CHECK(parse_arc_seal("i=1; a=rsa-sha256; d=far.example; s=s1; cv=none; b=BBBB"));
  CHECK_FALSE(parse_arc_seal("i=1; a=rsa-sha256; d=far.example; s=s1; cv=none; h=From; b=BBBB"));
}

}  // namespace sluice::facts
