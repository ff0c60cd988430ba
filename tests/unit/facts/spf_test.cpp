#include <catch2/catch.hpp>

#include "fact_fixture.h"

namespace sluice::facts {
using backends::DnsStatus;
using backends::DnsType;
using policy::Value;

namespace {

// A message that came through relays of our own.
class Relayed : public FactFixture {
 public:
  explicit Relayed(const FactFixture& session) : FactFixture(session) {}
  std::optional<Value> hop_;
  const Value* fact(std::string_view name) override {
    REQUIRE(name == "received.external_ip");
    return hop_ ? &*hop_ : nullptr;
  }
};

FactFixture mail_from(const char* path, const char* client = "192.0.2.1") {
  FactFixture f;
  f.connection_.client_ip = IpAddress::parse(client);
  f.connection_.server_name = "mx.here.example";
  f.helo_ = "Mail.Far.example";
  f.envelope_.emplace();
  f.envelope_->sender_path = path;
  f.give("far.example", DnsType::Txt,
         {FactFixture::name("v=spf1 ip4:192.0.2.0/28 -all exp=why.far.example")});
  f.give("why.far.example", DnsType::Txt,
         {FactFixture::name("%{i} may not send for %{o}, says %{r}")});
  return f;
}

}  // namespace

TEST_CASE(
    "spf.result: the verdict on the sender's domain, its name and the explanation of a fail") {
  auto good = mail_from("<ann@Far.example>");
  CHECK(good.ask("spf.result") == Value("pass"));
  CHECK(good.ask("spf.domain") == Value("far.example"));
  CHECK(good.ask("spf.explanation") == Value());
  auto bad = mail_from("<ann@far.example>", "198.51.100.1");
  CHECK(bad.ask("spf.result") == Value("fail"));
  CHECK(bad.ask("spf.explanation") ==
        Value("198.51.100.1 may not send for far.example, says mx.here.example"));
  CHECK(mail_from("<ann@other.example>").ask("spf.result") == Value("none"));
}

TEST_CASE("spf.result: of the null sender the HELO name is judged") {
  auto f = mail_from("<>");
  CHECK(f.ask("spf.domain") == Value("mail.far.example"));
  CHECK(f.ask("spf.result") == Value("none"));
  f.give("mail.far.example", DnsType::Txt, {FactFixture::name("v=spf1 exists:%{l}.%{o} -all")});
  CHECK(f.ask("spf.result") == Value("fail"));
  f.give("postmaster.mail.far.example", DnsType::A, {FactFixture::address("127.0.0.2")});
  CHECK(f.ask("spf.result") == Value("pass"));
  f.helo_ = "[192.0.2.1]";
  CHECK(f.ask("spf.result") == Value("none"));
  CHECK(f.ask("spf.domain") == Value());
}

TEST_CASE("spf.result: a failed look-up is unknown with its reason, a broken record a value") {
  auto f = mail_from("<ann@far.example>");
  f.give("far.example", DnsType::Txt, DnsStatus::Timeout);
  CHECK(f.ask("spf.result")->reason() == policy::UnknownReason::Timeout);
  f.give("far.example", DnsType::Txt, DnsStatus::ServFail);
  CHECK(f.ask("spf.result")->reason() == policy::UnknownReason::ServFail);
  f.give("far.example", DnsType::Txt, DnsStatus::Budget);
  CHECK(f.ask("spf.result")->reason() == policy::UnknownReason::Budget);
  CHECK(f.ask("spf.explanation")->is_unknown());
  f.give("far.example", DnsType::Txt, {FactFixture::name("v=spf1 ip4:nonsense -all")});
  CHECK(f.ask("spf.result") == Value("permerror"));
}

TEST_CASE("spf.result: pending until the answer is there; nothing to judge is none") {
  auto f = mail_from("<ann@elsewhere.example>");
  f.nothing_is_pending_ = false;
  CHECK_FALSE(f.ask("spf.result"));
  f.give("elsewhere.example", DnsType::Txt, {FactFixture::name("v=spf1 a ~all")});
  CHECK_FALSE(f.ask("spf.result"));
  f.give("elsewhere.example", DnsType::A, {FactFixture::address("192.0.2.9")});
  CHECK(f.ask("spf.result") == Value("softfail"));
  CHECK(mail_from("<ann@[192.0.2.1]>").ask("spf.result") == Value("none"));
  auto pipe = mail_from("<ann@far.example>");
  pipe.connection_.client_ip.reset();
  CHECK(pipe.ask("spf.result") == Value("none"));
}

TEST_CASE("received.spf: judges the first hop outside, whoever hands the message on") {
  Relayed f(mail_from("<ann@far.example>", "198.51.100.1"));
  CHECK_FALSE(f.ask("received.spf"));
  f.hop_ = Value(*IpAddress::parse("192.0.2.3"));
  CHECK(f.ask("received.spf") == Value("pass"));
  CHECK(f.ask("spf.result") == Value("fail"));
  f.hop_ = Value(*IpAddress::parse("203.0.113.3"));
  CHECK(f.ask("received.spf") == Value("fail"));
  f.hop_ = Value();
  CHECK(f.ask("received.spf") == Value("none"));
  f.hop_ = Value(policy::Unknown{policy::UnknownReason::Malformed});
  CHECK(f.ask("received.spf")->reason() == policy::UnknownReason::Malformed);
}

}  // namespace sluice::facts
