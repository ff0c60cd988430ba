#include <catch2/catch.hpp>

#include "fact_fixture.h"

namespace sluice::facts {
using backends::DnsStatus;
using backends::DnsType;
using policy::Value;

namespace {
FactFixture from(const char* path) {
  FactFixture f;
  f.envelope_.emplace();
  f.envelope_->sender_path = path;
  return f;
}
}  // namespace

TEST_CASE("sender: parts of a valid address, its domain in A-labels") {
  auto f = from("<Ann@FAR.example>");
  CHECK(f.ask("sender.address") == Value("Ann@far.example"));
  CHECK(f.ask("sender.localpart") == Value("Ann"));
  CHECK(f.ask("sender.domain") == Value("far.example"));
  CHECK(f.ask("sender.valid") == Value(true));
  CHECK(f.ask("sender.error") == Value());
  CHECK(f.ask("sender.is_null") == Value(false));
}

TEST_CASE("sender: the null sender is valid and has no parts") {
  auto f = from("<>");
  CHECK(f.ask("sender.is_null") == Value(true));
  CHECK(f.ask("sender.valid") == Value(true));
  CHECK(f.ask("sender.address") == Value());
  CHECK(f.ask("sender.domain") == Value());
  CHECK(f.ask("sender.resolves") == Value(false));
}

TEST_CASE("sender: what is no address still has parts to look at, and says why") {
  auto f = from("<a..b@x@Far.example>");
  CHECK(f.ask("sender.valid") == Value(false));
  CHECK(f.ask("sender.error")->is_set());
  CHECK(f.ask("sender.localpart") == Value("a..b@x"));
  CHECK(f.ask("sender.domain") == Value("far.example"));
}

TEST_CASE("sender: only a recipient may lack a domain, and only as postmaster") {
  auto f = from("<postmaster>");
  CHECK(f.ask("sender.valid") == Value(false));
  CHECK(f.ask("sender.error") == Value("the address has no @ and no domain"));
  CHECK(f.ask("sender.localpart") == Value("postmaster"));
  CHECK(f.ask("sender.domain") == Value());
}

TEST_CASE("sender: letters outside ASCII need SMTPUTF8") {
  auto f = from("<jörg@far.example>");
  CHECK(f.ask("sender.valid") == Value(false));
  f.envelope_->parameters = {"smtputf8"};
  CHECK(f.ask("sender.valid") == Value(true));
}

TEST_CASE("sender.resolves: MX, else an address; NXDOMAIN is false, a failure unknown") {
  auto f = from("<a@far.example>");
  CHECK(f.ask("sender.resolves") == Value(false));
  f.give("far.example", DnsType::Mx, DnsStatus::ServFail);
  CHECK(f.ask("sender.resolves")->is_unknown());
  f.give("far.example", DnsType::Mx, DnsStatus::NoData);
  f.give("far.example", DnsType::A, {FactFixture::address("198.51.100.9")});
  CHECK(f.ask("sender.resolves") == Value(true));
  f.give("far.example", DnsType::Mx, {FactFixture::name("")});
  CHECK(f.ask("sender.resolves") == Value(false));
  CHECK(f.ask("sender.null_mx") == Value(true));
}

TEST_CASE("sender.bogus_mx: only when every host is private or reserved") {
  auto f = from("<a@far.example>");
  f.give("far.example", DnsType::Mx,
         {FactFixture::name("a.far.example", 10), FactFixture::name("b.far.example", 20)});
  f.give("a.far.example", DnsType::A, {FactFixture::address("127.0.0.1")});
  f.give("b.far.example", DnsType::A, {FactFixture::address("10.0.0.1")});
  CHECK(f.ask("sender.bogus_mx") == Value(true));
  f.give("b.far.example", DnsType::A, {FactFixture::address("8.8.8.8")});
  CHECK(f.ask("sender.bogus_mx") == Value(false));
  f.give("b.far.example", DnsType::A, DnsStatus::Timeout);
  CHECK(f.ask("sender.bogus_mx")->is_unknown());
}

TEST_CASE("sender: an address literal can receive mail without DNS") {
  CHECK(from("<a@[192.0.2.1]>").ask("sender.resolves") == Value(true));
}

TEST_CASE("sender.deliverable: pending until the callout answered, unknown where nothing is known") {
  auto f = from("<Ann@Far.example>");
  CHECK_FALSE(f.ask("sender.deliverable").has_value());
  f.callouts_["Ann@far.example"] = backends::CalloutStatus::Refused;
  CHECK(f.ask("sender.deliverable") == Value("refused"));
  f.callouts_["Ann@far.example"] = backends::CalloutStatus::NoAnswer;
  CHECK(f.ask("sender.deliverable") == Value("no_answer"));
  using backends::CalloutStatus;
  using policy::UnknownReason;
  const std::pair<CalloutStatus, UnknownReason> unknowns[] = {
      {CalloutStatus::Undecided, UnknownReason::Callout},
      {CalloutStatus::ServFail, UnknownReason::ServFail},
      {CalloutStatus::Timeout, UnknownReason::Timeout},
      {CalloutStatus::Budget, UnknownReason::Budget},
      {CalloutStatus::NotConfigured, UnknownReason::Unsupported}};
  for (const auto& [status, reason] : unknowns) {
    f.callouts_["Ann@far.example"] = status;
    CHECK(f.ask("sender.deliverable") == Value(policy::Unknown{reason}));
  }
  CHECK(from("<>").ask("sender.deliverable") == Value(policy::Unknown{UnknownReason::Argument}));
  CHECK(from("<a..b@x>").ask("sender.deliverable") ==
        Value(policy::Unknown{UnknownReason::Malformed}));
}

}  // namespace sluice::facts
