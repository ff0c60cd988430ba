#include <catch2/catch.hpp>

#include "dkim_signer.h"
#include "fact_fixture.h"
#include "facts/message_content.h"
#include "facts/message_signatures.h"

namespace sluice::facts {

namespace {

using backends::DnsStatus;
using backends::DnsType;
using policy::Unknown;
using policy::UnknownReason;
using policy::Value;

const testing::SigningKey& key() {
  static const testing::SigningKey made = testing::SigningKey::ed25519();
  return made;
}

// A message that has come whole, from a client whose SPF is none unless said.
struct Received : FactFixture {
  explicit Received(mail::Message m = testing::sample_message()) {
    connection_.client_ip = *IpAddress::parse("192.0.2.1");
    helo_ = "mx.far.example";
    envelope_.emplace();
    envelope_->sender_path = "<ann@far.example>";
    message_ = std::move(m);
    read();
  }
  void read() {
    parsed_ = std::const_pointer_cast<MessageContent>(MessageContent::parse(*message_, true));
    content_ = parsed_.get();
    fed_.emplace(*message_);
    fed_->body(message_->body);
    fed_->end();
    signatures_ = &*fed_;
  }
  void txt(const std::string& domain, const std::string& text) {
    give(domain, DnsType::Txt, {name(text)});
  }
  void from(const std::string& value) {
    message_->headers[1].value = value;
    read();
  }

 private:
  std::shared_ptr<MessageContent> parsed_;
  std::optional<MessageSignatures> fed_;
};

mail::Message signed_message(const std::string& domain = "far.example") {
  mail::Message message = testing::sample_message();
  testing::SigningOptions options;
  options.domain = domain;
  testing::put_on_top(message, testing::sign(message, key(), options));
  return message;
}

}  // namespace

TEST_CASE("dkim: no signature, a good one, a bad one, and several") {
  Received none;
  CHECK(none.ask("dkim.result") == Value("none"));
  CHECK(none.ask("dkim.domains")->get<policy::ValuesPtr>()->empty());

  Received good(signed_message());
  good.txt("s1._domainkey.far.example", key().record());
  CHECK(good.ask("dkim.result") == Value("pass"));
  REQUIRE(good.ask("dkim.domains"));
  CHECK(render_value(*good.ask("dkim.domains")) == "far.example");

  mail::Message both = signed_message();
  testing::put_on_top(both, {"DKIM-Signature", " v=1; nonsense"});
  Received mixed(both);
  CHECK(mixed.ask("dkim.result") ==
        Value("neutral"));  // better than the permerror of a missing key
  mixed.txt("s1._domainkey.far.example", key().record());
  mixed.read();
  CHECK(mixed.ask("dkim.result") == Value("pass"));
}

TEST_CASE("dkim: a DNS failure is unknown, unless another signature passes") {
  mail::Message message = signed_message();
  testing::SigningOptions options;
  options.domain = "list.example";
  testing::put_on_top(message, testing::sign(message, key(), options));
  Received f(message);
  f.give("s1._domainkey.far.example", DnsType::Txt, DnsStatus::Timeout);
  f.txt("s1._domainkey.list.example", "p=");
  CHECK(f.ask("dkim.result") == Value(Unknown{UnknownReason::Timeout}));
  f.read();
  f.txt("s1._domainkey.list.example", key().record());
  CHECK(f.ask("dkim.result") == Value("pass"));
  CHECK(f.ask("dkim.domains") == Value(Unknown{UnknownReason::Timeout}));
}

TEST_CASE("dmarc: SPF, DKIM or neither, for the domain of From") {
  Received f(signed_message());
  CHECK(f.ask("dmarc.result") == Value("none"));
  CHECK(f.ask("dmarc.policy") == Value());
  f.txt("_dmarc.far.example", "v=DMARC1; p=reject");
  CHECK(f.ask("dmarc.result") == Value("fail"));
  CHECK(f.ask("dmarc.policy") == Value("reject"));
  f.txt("far.example", "v=spf1 ip4:192.0.2.1 -all");
  CHECK(f.ask("dmarc.result") == Value("pass"));
  f.envelope_->sender_path = "<ann@other.example>";
  CHECK(f.ask("dmarc.result") == Value("fail"));
  f.txt("s1._domainkey.far.example", key().record());
  f.read();
  CHECK(f.ask("dmarc.result") == Value("pass"));
}

TEST_CASE("dmarc: SPF of the null sender is that of the HELO name") {
  Received f;
  f.envelope_->sender_path = "<>";
  f.txt("_dmarc.far.example", "v=DMARC1; p=reject");
  CHECK(f.ask("dmarc.result") == Value("fail"));
  f.txt("mx.far.example", "v=spf1 ip4:192.0.2.1 -all");
  CHECK(f.ask("dmarc.result") == Value("pass"));
}

TEST_CASE("dmarc: what the DNS did not answer is unknown where it would decide") {
  Received f(signed_message());
  f.envelope_->sender_path = "<ann@other.example>";
  f.txt("_dmarc.far.example", "v=DMARC1; p=reject");
  f.give("s1._domainkey.far.example", DnsType::Txt, DnsStatus::ServFail);
  CHECK(f.ask("dmarc.result") == Value(Unknown{UnknownReason::ServFail}));
  CHECK(f.ask("dmarc.policy") == Value("reject"));
  Received away;
  away.give("_dmarc.far.example", DnsType::Txt, DnsStatus::Timeout);
  CHECK(away.ask("dmarc.result") == Value(Unknown{UnknownReason::Timeout}));
  CHECK(away.ask("dmarc.policy") == Value(Unknown{UnknownReason::Timeout}));
}

TEST_CASE("dmarc: a From that does not name exactly one domain is a permerror, never a guess") {
  Received f;
  f.txt("_dmarc.far.example", "v=DMARC1; p=none");
  f.txt("far.example", "v=spf1 ip4:192.0.2.1 -all");
  for (const char* same : {" ann@far.example", " \"ann@evil.example\" <ann@FAR.example>",
                           " Ann <ann@far.example>, Bob <bob@far.example>",
                           " Ann (evil@evil.example) <ann@far.example>"}) {
    CAPTURE(same);
    f.from(same);
    CHECK(f.ask("dmarc.result") == Value("pass"));
  }
  for (const char* several : {" ann@far.example, eve@evil.example", "", " nobody", " <>",
                              " group: ann@far.example, x@evil.example;"}) {
    CAPTURE(several);
    f.from(several);
    CHECK(f.ask("dmarc.result") == Value("permerror"));
    CHECK(f.ask("dmarc.policy") == Value());
  }
  f.from(" ann@[192.0.2.1]");
  CHECK(f.ask("dmarc.result") == Value("none"));

  for (const char* name : {"From", "from", "From "}) {
    Received twice;
    twice.txt("_dmarc.far.example", "v=DMARC1; p=none");
    twice.message_->headers.push_back({name, " ann@far.example"});
    twice.message_->headers_total = twice.message_->headers.size();
    twice.read();
    CHECK(twice.ask("dmarc.result") == Value("permerror"));
  }
  Received beyond;
  ++beyond.message_->headers_total;  // a field that was not kept may be another From
  beyond.read();
  CHECK(beyond.ask("dmarc.result") == Value("permerror"));
}

TEST_CASE("arc: without a chain none, with a broken one fail and no sealer") {
  Received none;
  CHECK(none.ask("arc.result") == Value("none"));
  CHECK(none.ask("arc.sealer") == Value());
  mail::Message message = testing::sample_message();
  testing::put_on_top(message,
                      {"ARC-Seal", " i=1; a=rsa-sha256; d=far.example; s=s1; cv=none; b=AAAA"});
  Received broken(message);
  CHECK(broken.ask("arc.result") == Value("fail"));
  CHECK(broken.ask("arc.sealer") == Value());
}

TEST_CASE("dkim, dmarc, arc: pending until the DNS answers, unknown where nothing was fed") {
  Received f(signed_message());
  f.nothing_is_pending_ = false;
  CHECK_FALSE(f.ask("dkim.result"));
  CHECK_FALSE(f.ask("dmarc.result"));
  FactFixture empty;
  empty.message_ = testing::sample_message();
  for (const char* name : {"dkim.result", "dkim.domains", "arc.result", "arc.sealer"})
    CHECK(empty.ask(name) == Value(Unknown{UnknownReason::Unsupported}));
}

}  // namespace sluice::facts
