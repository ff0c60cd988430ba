#include <catch2/catch.hpp>
#include <map>

#include "milter/macros.h"

namespace sluice::milter {

namespace {
struct Given : MacroSource {
  explicit Given(std::map<std::string, std::string> values) : values_(std::move(values)) {}
  const char* macro(const char* name) const override {
    const auto at = values_.find(name);
    return at != values_.end() ? at->second.c_str() : nullptr;
  }
  std::map<std::string, std::string> values_;
};
Given given(std::map<std::string, std::string> values) { return Given(std::move(values)); }
}  // namespace

TEST_CASE("macros: the connection as Postfix tells it") {
  mail::Connection c;
  fill_connection(given({{"j", "mx.example.com"},
                         {"{client_name}", "mail.far.example"},
                         {"{client_ptr}", "mail.far.example"},
                         {"{client_resolve}", "OK"},
                         {"{client_port}", "4321"},
                         {"{daemon_addr}", "192.0.2.25"},
                         {"{daemon_port}", "25"},
                         {"{client_connections}", "3"}}),
                  c);
  CHECK(c.server_name == "mx.example.com");
  CHECK(c.resolve == mail::ClientResolve::Ok);
  CHECK(c.client_port == 4321);
  CHECK(c.server_port == 25);
  CHECK(c.client_connections == 3);
}

TEST_CASE("macros: an unknown name is none, a count of 0 says that the client is not counted") {
  mail::Connection c;
  fill_connection(given({{"{client_ptr}", "unknown"}, {"{client_connections}", "0"}, {"{client_resolve}", "FORGED"}}), c);
  CHECK_FALSE(c.client_ptr.has_value());
  CHECK_FALSE(c.client_connections.has_value());
  CHECK(c.resolve == mail::ClientResolve::Forged);
}

TEST_CASE("macros: numbers that are none are not believed") {
  mail::Connection c;
  fill_connection(given({{"{client_port}", "99999"}, {"{daemon_port}", "25x"}, {"{client_connections}", "-4"}}), c);
  CHECK(c.client_port == 0);
  CHECK_FALSE(c.server_port.has_value());
  CHECK_FALSE(c.client_connections.has_value());
}

TEST_CASE("macros: a certificate is verified by Postfix's silence about others, by Sendmail's {verify}") {
  CHECK_FALSE(tls_of(given({})).active);
  const auto postfix = tls_of(given({{"{tls_version}", "TLSv1.3"}, {"{cert_subject}", "mx.bank.example"}}));
  CHECK(postfix.verified);
  CHECK(postfix.cert_cn == "mx.bank.example");
  const auto sendmail =
      tls_of(given({{"{tls_version}", "TLSv1.3"}, {"{cert_subject}", "/O=Test/CN=client+20cert"}, {"{verify}", "FAIL"}}));
  CHECK_FALSE(sendmail.verified);
  CHECK_FALSE(sendmail.cert_cn.has_value());
}

TEST_CASE("macros: common names of both MTAs") {
  CHECK(common_name("/O=Test/CN=client+20cert") == "client cert");
  CHECK(common_name("/CN=a/O=Test") == "a");
  CHECK(common_name("mx.bank.example") == "mx.bank.example");
  CHECK(common_name("/CN=broken+2") == "broken+2");
}

TEST_CASE("macros: login, queue id and recipients that the MTA refused") {
  CHECK_FALSE(login_of(given({})).has_value());
  CHECK(login_of(given({{"{auth_authen}", "alice"}, {"{auth_type}", "PLAIN"}}))->method == "PLAIN");
  CHECK(queue_id_of(given({{"i", "4bQz0x1"}})) == "4bQz0x1");
  mail::Recipient r;
  fill_recipient(given({{"{rcpt_mailer}", "error"}, {"{rcpt_addr}", "550 5.1.1 User unknown"}}), r);
  CHECK(r.refused_by_mta);
  CHECK(r.mta_reason == "550 5.1.1 User unknown");
}

}  // namespace sluice::milter
