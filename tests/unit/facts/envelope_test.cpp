#include <catch2/catch.hpp>

#include "fact_fixture.h"

namespace sluice::facts {
using policy::Value;

namespace {
FactFixture with(std::vector<std::string> parameters) {
  FactFixture f;
  f.envelope_.emplace();
  f.envelope_->parameters = std::move(parameters);
  return f;
}
}  // namespace

TEST_CASE("mail.size: the declared number, none when absent or no number, capped") {
  CHECK(with({"SIZE=6000000"}).ask("mail.size") == Value(6000000));
  CHECK(with({"size=12"}).ask("mail.size") == Value(12));
  CHECK(with({}).ask("mail.size") == Value());
  CHECK(with({"SIZE="}).ask("mail.size") == Value());
  CHECK(with({"SIZE=-5"}).ask("mail.size") == Value());
  CHECK(with({"SIZE=99999999999999999999999999"}).ask("mail.size") == Value(std::int64_t{1} << 53));
}

TEST_CASE("mail.body and mail.smtputf8") {
  CHECK(with({}).ask("mail.body") == Value("7bit"));
  CHECK(with({"BODY=8BITMIME"}).ask("mail.body") == Value("8bitmime"));
  CHECK(with({"BODY=nonsense"}).ask("mail.body") == Value("7bit"));
  CHECK(with({"SMTPUTF8"}).ask("mail.smtputf8") == Value(true));
  CHECK(with({}).ask("mail.smtputf8") == Value(false));
}

TEST_CASE("auth: none without a login, the domain of a login that is an address") {
  auto f = with({});
  CHECK(f.ask("auth.user") == Value());
  CHECK(f.ask("auth.domain") == Value());
  f.envelope_->login = {"alice@Example.com", "PLAIN"};
  CHECK(f.ask("auth.user") == Value("alice@Example.com"));
  CHECK(f.ask("auth.domain") == Value("example.com"));
  CHECK(f.ask("auth.method") == Value("PLAIN"));
  f.envelope_->login = {"alice", "PLAIN"};
  CHECK(f.ask("auth.domain") == Value());
}

TEST_CASE("tls: as the MTA told it") {
  auto f = with({});
  CHECK(f.ask("tls.active") == Value(false));
  CHECK(f.ask("tls.version") == Value());
  f.tls_ = {true, "TLSv1.3", 256, true, "mx.bank.example"};
  CHECK(f.ask("tls.active") == Value(true));
  CHECK(f.ask("tls.cipher_bits") == Value(256));
  CHECK(f.ask("tls.cert_cn") == Value("mx.bank.example"));
}

}  // namespace sluice::facts
