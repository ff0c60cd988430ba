#include "facts/authentication_results.h"

#include <catch2/catch.hpp>

#include "dkim_signer.h"
#include "fact_fixture.h"
#include "facts/message_content.h"
#include "facts/message_signatures.h"

namespace sluice::facts {

TEST_CASE("Authentication-Results: values are tokens, or quoted strings in ASCII") {
  const std::pair<std::string, std::string> cases[] = {
      {"far.example", "far.example"},
      {"ann@far.example", "ann@far.example"},
      {"example.net(.example.com", "\"example.net(.example.com\""},
      {"a b", "\"a b\""},
      {"x; dkim=pass", "\"x; dkim=pass\""},
      {"\"q\"\\", "\"\\\"q\\\"\\\\\""},
      {"a\r\nb", "\"a??b\""},
      {"b\xc3\xbc", "\"b??\""},
      {"", "\"\""},
  };
  for (const auto& [text, expected] : cases) CHECK(results_value(text) == expected);
  CHECK(results_value(std::string(1'000, 'a')).size() == 256);
}

TEST_CASE("Authentication-Results: the name that a field claims") {
  const std::pair<std::string, std::string> cases[] = {
      {" mx.here.example; dkim=pass", "mx.here.example"},
      {"mx.here.example", "mx.here.example"},
      {" MX.Here.Example 1; none", "mx.here.example"},
      {" (a (nested\\) comment)) mx.here.example;", "mx.here.example"},
      {"\n\tmx.here.example\n\t; spf=pass", "mx.here.example"},
      {" \"mx.here.example\"; spf=pass", "mx.here.example"},
      {" \"mx.he\\re.example\"; spf=pass", "mx.here.example"},
      {" mx.here.example/1; spf=pass", "mx.here.example"},
      {" mx.here.example(comment); spf=pass", "mx.here.example"},
      {" other.example; x=mx.here.example", "other.example"},
      {" (never closed mx.here.example", ""},
      {"", ""},
      {"; spf=pass", ""},
  };
  for (const auto& [value, expected] : cases) {
    CAPTURE(value);
    CHECK(claimed_authserv_id(value) == expected);
  }
}

TEST_CASE("Authentication-Results: one line for each method and signature") {
  const auto key = testing::SigningKey::ed25519();
  FactFixture f;
  f.connection_.client_ip = *IpAddress::parse("192.0.2.1");
  f.helo_ = "mx.far.example";
  f.envelope_.emplace();
  f.envelope_->sender_path = "<ann@example.net(.far.example>";
  f.settings_.authserv_id = "mx.here.example";
  f.message_ = testing::sample_message();
  testing::put_on_top(*f.message_, testing::sign(*f.message_, key));
  testing::put_on_top(*f.message_, {"DKIM-Signature", " v=1; broken"});
  f.give("s1._domainkey.far.example", backends::DnsType::Txt, {FactFixture::name(key.record())});
  f.give("_dmarc.far.example", backends::DnsType::Txt,
         {FactFixture::name("v=DMARC1; p=quarantine")});
  const auto content =
      std::const_pointer_cast<MessageContent>(MessageContent::parse(*f.message_, true));
  MessageSignatures signatures(*f.message_);
  signatures.body(f.message_->body);
  signatures.end();
  f.content_ = content.get();
  f.signatures_ = &signatures;

  const auto value = authentication_results(f);
  REQUIRE(value);
  const std::string b =
      f.message_->headers[1].value.substr(f.message_->headers[1].value.find("\tb=") + 3, 8);
  CHECK(*value ==
        "mx.here.example;\n\t"
        "spf=none smtp.mailfrom=\"ann@example.net(.far.example\";\n\t"
        "dkim=neutral (a tag without an equals sign);\n\t"
        "dkim=pass header.d=far.example header.s=s1 header.a=ed25519-sha256 header.b=" +
            results_value(b) +
            ";\n\t"
            "dmarc=pass (p=quarantine) header.from=far.example");

  f.give("_dmarc.far.example", backends::DnsType::Txt, backends::DnsStatus::Timeout);
  f.envelope_->sender_path = "<>";
  const auto away = authentication_results(f);
  REQUIRE(away);
  CHECK(away->find("spf=none smtp.helo=mx.far.example;") != std::string::npos);
  CHECK(away->find("dmarc=temperror header.from=far.example") != std::string::npos);

  f.dns_.clear();
  f.nothing_is_pending_ = false;
  MessageSignatures again(*f.message_);
  again.end();
  f.signatures_ = &again;
  CHECK_FALSE(authentication_results(f));
}

}  // namespace sluice::facts
