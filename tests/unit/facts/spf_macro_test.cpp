#include "facts/spf_macro.h"

#include <catch2/catch.hpp>

using namespace sluice;
using namespace sluice::facts;

namespace {

// The example of RFC 7208 7.4.
SpfMacroValues example() {
  SpfMacroValues v;
  v.local_part = "strong-bad";
  v.sender_domain = v.domain = "email.example.com";
  v.client = *IpAddress::parse("192.0.2.3");
  v.validated_name = "mx.example.org";
  v.helo = "mx.example.org";
  v.receiver = "mx.here.example";
  v.now = TimePoint(std::chrono::seconds(1234567890));
  return v;
}

std::string domain(const std::string& spec, const SpfMacroValues& values = example()) {
  const auto parsed = SpfMacroString::parse_domain_spec(spec);
  return parsed ? parsed->expand_domain(values) : "error: " + parsed.error().what;
}
std::string text(const std::string& spec, const SpfMacroValues& values = example()) {
  const auto parsed = SpfMacroString::parse_explanation(spec);
  return parsed ? parsed->expand_text(values) : "error: " + parsed.error().what;
}

}  // namespace

TEST_CASE("spf macro: the examples of RFC 7208 7.4") {
  const std::vector<std::pair<std::string, std::string>> examples = {
      {"%{s}", "strong-bad@email.example.com"},
      {"%{o}", "email.example.com"},
      {"%{d}", "email.example.com"},
      {"%{d4}", "email.example.com"},
      {"%{d3}", "email.example.com"},
      {"%{d2}", "example.com"},
      {"%{d1}", "com"},
      {"%{dr}", "com.example.email"},
      {"%{d2r}", "example.email"},
      {"%{l}", "strong-bad"},
      {"%{l-}", "strong.bad"},
      {"%{lr}", "strong-bad"},
      {"%{lr-}", "bad.strong"},
      {"%{l1r-}", "strong"},
      {"%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"},
      {"%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"},
      {"%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"},
      {"%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"},
      {"%{d2}.trusted-domains.example.net.", "example.com.trusted-domains.example.net"}};
  for (const auto& [spec, expanded] : examples) {
    INFO(spec);
    CHECK(domain(spec) == expanded);
  }
  SpfMacroValues six = example();
  six.client = *IpAddress::parse("2001:db8::cb01");
  CHECK(domain("%{ir}.%{v}._spf.%{d2}", six) ==
        "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6._spf.example.com");
}

TEST_CASE("spf macro: capitals escape as in URLs, several delimiters split alike") {
  SpfMacroValues v = example();
  v.local_part = "a b~c/d";
  CHECK(text("%{L}", v) == "a%20b~c%2Fd");
  v.local_part = "one+two=three";
  CHECK(text("%{l1+=}", v) == "three");
  CHECK(text("%{lr+=}", v) == "three.two.one");
  CHECK(text("%{l}", v) == "one+two=three");
}

TEST_CASE("spf macro: explanations know the client, the receiver and the time") {
  CHECK(text("%{c} at %{t} for %{r}%_%%%-") == "192.0.2.3 at 1234567890 for mx.here.example %%20");
  CHECK_THAT(text("caf\xc3\xa9"), Catch::StartsWith("error"));
  CHECK_THAT(domain("%{c}.example"), Catch::StartsWith("error"));
}

TEST_CASE("spf macro: a domain keeps its last 253 characters by whole labels") {
  SpfMacroValues v = example();
  v.local_part = std::string(60, 'l') + "." + std::string(60, 'm');
  const std::string expanded = domain("%{l}.%{l}.%{l}.example.com", v);
  CHECK(expanded.size() <= 253);
  // Three times two labels of 60 and "example.com" are more than fits: the first two labels are
  // gone.
  CHECK(expanded == std::string(60, 'm') + "." + v.local_part + ".example.com");
  std::string many;
  for (int i = 0; i < 4000; ++i) many += "%{s}.";
  CHECK(domain(many + "example.com", v).size() <= 253);
}

TEST_CASE("spf macro: an explanation is cut") {
  std::string many;
  for (int i = 0; i < 4000; ++i) many += "%{s}";
  CHECK(text(many).size() == kMaxSpfExplanation);
}

TEST_CASE("spf macro: knows whether the validated name is needed") {
  CHECK(SpfMacroString::parse_domain_spec("%{p}.example")->uses_validated_name());
  CHECK(SpfMacroString::parse_domain_spec("%{P2r}.example")->uses_validated_name());
  CHECK_FALSE(SpfMacroString::parse_domain_spec("%%{p.example")->uses_validated_name());
}
