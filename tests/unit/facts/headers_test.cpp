#include <catch2/catch.hpp>

#include "base/text.h"
#include "fact_fixture.h"
#include "facts/message_content.h"

namespace sluice::facts {
using policy::Value;

namespace {

struct WithMessage : FactFixture {
  explicit WithMessage(std::vector<mail::Header> headers) {
    message_.emplace();
    message_->headers = std::move(headers);
    parsed_ = MessageContent::parse(*message_, true);
  }
  const MessageContent* content() override { return parsed_.get(); }
  std::shared_ptr<const MessageContent> parsed_;
};

WithMessage with(std::vector<mail::Header> headers) { return WithMessage(std::move(headers)); }

}  // namespace

TEST_CASE("from: name decoded, address and domain normalised") {
  WithMessage f = with({{"From", "=?UTF-8?Q?Jane_D=C3=B6e?= <jd1@Freemail.example>"}});
  CHECK(f.ask("from.name") == Value("Jane Döe"));
  CHECK(f.ask("from.address") == Value("jd1@freemail.example"));
  CHECK(f.ask("from.domain") == Value("freemail.example"));
  CHECK(f.ask("from.count") == Value(1));
}

TEST_CASE("from: raw UTF-8 and a display name that looks like an address") {
  CHECK(with({{"From", " Jane Döe <jane@example.com>"}}).ask("from.name") == Value("Jane Döe"));
  WithMessage calendar =
      with({{"From", "\"customer1@mail.example (Calendar)\" <calendar@google.example>"}});
  CHECK(calendar.ask("from.name") == Value("customer1@mail.example (Calendar)"));
  CHECK(calendar.ask("from.address") == Value("calendar@google.example"));
}

TEST_CASE("from: several fields and mailboxes are all counted") {
  WithMessage f = with({{"From", "a@x.example, b@y.example"}, {"from", "c@z.example"}});
  CHECK(f.ask("from.count") == Value(3));
  CHECK(f.ask("from.addresses")->get<policy::ValuesPtr>()->size() == 3);
}

TEST_CASE("from: without a field there is no name and no address") {
  WithMessage f = with({});
  CHECK(f.ask("from.name") == Value(""));
  CHECK(f.ask("from.address") == Value());
  CHECK(f.ask("from.domain") == Value());
  CHECK(f.ask("message_id") == Value());
}

TEST_CASE("subject: decoded text and the raw form, unfolded") {
  WithMessage f = with({{"Subject", "=?GB2312?B?xOO6ww==?=\n\t=?UTF-8?Q?_x?="}});
  CHECK(f.ask("subject.text") == Value("你好 x"));
  CHECK(f.ask("subject.raw") == Value("=?GB2312?B?xOO6ww==?=\t=?UTF-8?Q?_x?="));
}

TEST_CASE("received: hops are counted") {
  CHECK(with({{"Received", "a"}, {"RECEIVED", "b"}}).ask("received.count") == Value(2));
}

TEST_CASE("received.external_ip: only what trusted relays wrote is believed") {
  WithMessage f = with({{"Received", "from mx2.example.com (mx2.example.com [192.0.2.99]) by mx"},
                        {"Received", "from far (far.example [203.0.113.66]) by mx2 with ESMTP"},
                        {"Received", "from liar ([198.51.100.1]) by far"}});
  f.connection_.client_ip = IpAddress::parse("203.0.113.5");
  CHECK(f.ask("received.external_ip") == Value(*IpAddress::parse("203.0.113.5")));
  f.connection_.client_ip = IpAddress::parse("192.0.2.10");
  f.settings_.trusted_relays = {*Network::parse("192.0.2.0/24")};
  CHECK(f.ask("received.external_ip") == Value(*IpAddress::parse("203.0.113.66")));
  f.settings_.trusted_relays = {*Network::parse("0.0.0.0/0")};
  CHECK(f.ask("received.external_ip") == Value());
}

TEST_CASE("date: RFC 5322 dates, none for nonsense") {
  CHECK(with({{"Date", "Wed, 25 Nov 2026 13:00:00 +0100"}}).ask("date") ==
        Value(*parse_datetime("2026-11-25T12:00:00Z")));
  CHECK(with({{"Date", "yesterday"}}).ask("date") == Value());
}

TEST_CASE("msg.is_list: list headers or precedence") {
  CHECK(with({{"List-Id", "<x>"}}).ask("msg.is_list") == Value(true));
  CHECK(with({{"Precedence", "List"}}).ask("msg.is_list") == Value(true));
  CHECK(with({{"Subject", "x"}}).ask("msg.is_list") == Value(false));
}

TEST_CASE("headers: NUL bytes and huge values are harmless") {
  WithMessage f =
      with({{"Subject", std::string("a\0b", 3)}, {"X-Big", std::string(1'000'000, 'x')}});
  CHECK(f.ask("subject.text") == Value("a?b"));
  CHECK(f.parsed_->header("x-big")->size() <= kMaxDecodedHeader);
}

}  // namespace sluice::facts
