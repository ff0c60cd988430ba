// The small parts: ids, keys, the ledger, edits.
#include <set>

#include "engine/decision_id.h"
#include "engine/edits.h"
#include "engine/limiter.h"
#include "engine/state_key.h"
#include "engine_fixture.h"

using namespace sluice;
using namespace sluice::engine;

TEST_CASE("ids: session ids sort by time, short ids can be read out, none comes twice") {
  const TimePoint now{std::chrono::hours{24 * 20'000}};
  CHECK(draw_session_id(now).size() == 26);
  CHECK(draw_session_id(now) < draw_session_id(now + Duration{1}));
  CHECK(draw_session_id(now).substr(0, 10) == draw_session_id(now).substr(0, 10));
  std::set<std::string> sessions, shorts;
  std::set<std::uint64_t> reservations;
  for (int i = 0; i < 10'000; ++i) {
    sessions.insert(draw_session_id(now));
    reservations.insert(draw_reservation_id());
    shorts.insert(draw_short_id());
  }
  CHECK(sessions.size() == 10'000);
  CHECK(reservations.size() == 10'000);
  CHECK(shorts.size() > 9'900);
  for (const std::string& id : shorts)
    CHECK(id.find_first_not_of("0123456789ABCDEFGHJKMNPQRSTVWXYZ") == std::string::npos);
}

TEST_CASE("keys: long ones keep their beginning and stay different") {
  const std::vector<std::string> a{std::string(2'000, 'a')}, b{std::string(1'999, 'a') + "b"};
  const std::string first = state_key("test/rule/limit", a),
                    second = state_key("test/rule/limit", b);
  CHECK(first.size() == backends::kMaxStateKey);
  CHECK(first.rfind("test/rule/limit", 0) == 0);
  CHECK(first != second);
  CHECK(first == state_key("test/rule/limit", a));
}

TEST_CASE("keys: parts cannot be moved between positions") {
  const std::vector<std::string> one{"a", "b"}, two{key_part(policy::Value("a\x1f"
                                                                           "b"),
                                                             policy::Kind::Text)};
  CHECK(state_key("r", one) != state_key("r", two));
  CHECK(key_part(policy::Value(), policy::Kind::Address) !=
        key_part(policy::Value(""), policy::Kind::Address));
}

TEST_CASE("keys: a list of networks knows addresses and networks") {
  const auto type = policy::Type::of(policy::Kind::Cidr);
  const auto address = list_element(policy::Value(*IpAddress::parse("203.0.113.9")), type);
  REQUIRE(address);
  CHECK(address->text == "203.0.113.9/32");
  CHECK(address->network->contains(*IpAddress::parse("203.0.113.9")));
  CHECK(list_element(policy::Value(*Network::parse("203.0.113.0/24")), type)->text ==
        "203.0.113.0/24");
  CHECK_FALSE(list_element(policy::Value(), type));
}

TEST_CASE("ledger: refusals are remembered for as many units under the same windows") {
  Ledger ledger;
  const TimePoint now{Duration{1'000'000}};
  backends::Reserve asked;
  asked.key = "k";
  asked.n = 5;
  asked.windows = {{10, Duration{60'000}}};
  backends::StateAnswer refused;
  refused.granted = false;
  refused.wait = Duration{30'000};
  ledger.remember_denial(asked, refused, now);
  CHECK(ledger.denial(asked, now + Duration{500})->wait == Duration{29'500});
  asked.n = 4;
  CHECK_FALSE(ledger.denial(asked, now));
  asked.n = 6;
  CHECK(ledger.denial(asked, now));
  asked.distinct = "v";
  CHECK_FALSE(ledger.denial(asked, now));
  asked.distinct.reset();
  asked.windows.front().count = 11;
  CHECK_FALSE(ledger.denial(asked, now));
  asked.windows.front().count = 10;
  CHECK_FALSE(ledger.denial(asked, now + kDenyMemory));
  ledger.remember_denial(asked, refused, now);
  ledger.forget_denials();
  CHECK_FALSE(ledger.denial(asked, now));
}

TEST_CASE("ledger: renews what is held and counts what is being delayed") {
  VirtualClock clock(TimePoint{Duration{1'000'000'000}});
  backends::ReferenceStore memory(clock);
  WatchedStore store(memory);
  Ledger ledger;
  backends::Reserve asked;
  asked.id = 7;
  asked.key = "k";
  asked.windows = {{1, Duration{3'600'000}}};
  store.submit({asked}, [](const auto& answers) { CHECK(answers.front().granted); });
  Lease lease;
  ledger.hold(lease, asked.id, asked.key);
  CHECK(ledger.held() == 1);
  for (int i = 0; i < 10; ++i) {
    clock.advance(kRenewEvery);
    ledger.renew(store);
  }
  backends::Reserve other = asked;
  other.id = 8;
  store.submit({other}, [](const auto& answers) { CHECK_FALSE(answers.front().granted); });
  lease.drop();
  lease.drop();
  CHECK(ledger.held() == 0);
  clock.advance(backends::kReservationLease + Duration{1});
  other.id = 9;
  store.submit({other}, [](const auto& answers) { CHECK(answers.front().granted); });

  CHECK(ledger.may_delay(Duration{1'000}, clock.now(), 2));
  CHECK(ledger.may_delay(Duration{2'000}, clock.now(), 2));
  CHECK_FALSE(ledger.may_delay(Duration{1'000}, clock.now(), 2));
  CHECK(ledger.may_delay(Duration{1'000}, clock.now() + Duration{1'500}, 2));
}

TEST_CASE("edits: prefixes of the subject add up, other scripts become encoded words") {
  mail::Message message;
  message.headers = {{"subject", " hello"}};
  PreparedAction first;
  first.kind = policy::ActionSource::Kind::SubjectPrefix;
  first.text = "[A] ";
  PreparedAction second = first;
  second.text = "[B] ";
  auto edits = edits_of({first, second}, message, {});
  REQUIRE(edits.size() == 1);
  CHECK(edits.front() == mail::Edit{mail::Edit::Kind::SetHeader, "Subject", "[B] [A] hello", 1});
  message.headers.clear();
  edits = edits_of({first}, message, {});
  CHECK(edits.front() == mail::Edit{mail::Edit::Kind::AddHeader, "Subject", "[A] ", 0});
  CHECK(header_text("caf\xc3\xa9") == "=?UTF-8?B?Y2Fmw6k=?= ");
  CHECK(header_text("plain") == "plain");
}

TEST_CASE("edits: redirect takes all recipients out and puts one in") {
  PreparedAction redirect;
  redirect.kind = policy::ActionSource::Kind::RedirectTo;
  redirect.text = "<abuse@example.com>";
  const std::vector<mail::Recipient> accepted{{"<a@example.com>", {}, false, {}},
                                              {"b@example.com", {}, false, {}}};
  const auto edits = edits_of({redirect}, {}, accepted);
  REQUIRE(edits.size() == 3);
  CHECK(edits[0].name == "a@example.com");
  CHECK(edits[1].name == "b@example.com");
  CHECK(edits[2] == mail::Edit{mail::Edit::Kind::AddRecipient, "abuse@example.com", "", 0});
}

TEST_CASE("edits: a footer stands below the text, and what cannot take it stays as it is") {
  PreparedAction footer;
  footer.kind = policy::ActionSource::Kind::Footer;
  footer.text = "-- \na = b";
  mail::Message message;
  message.body = "hello\r\n";
  message.body_bytes = message.body.size();
  const auto body_of = [&](std::vector<mail::Header> headers) {
    message.headers = std::move(headers);
    const auto edits = edits_of({footer}, message, {});
    return edits.empty() ? std::string("as it is") : edits.front().value;
  };
  CHECK(body_of({}) == "hello\r\n-- \r\na = b\r\n");
  CHECK(body_of({{"Content-Type", " text/plain; charset=utf-8"},
                 {"Content-Transfer-Encoding", " quoted-printable"}}) ==
        "hello\r\n--=20\r\na =3D b\r\n");
  CHECK(body_of({{"Content-Transfer-Encoding", " base64"}}) == "as it is");
  CHECK(body_of({{"Content-Type", " text/html"}}) == "as it is");
  CHECK(body_of({{"Content-Type", " multipart/mixed; boundary=x"}}) == "as it is");
  footer.text = "caf\xc3\xa9";
  CHECK(body_of({{"Content-Type", " text/plain; charset=iso-8859-1"},
                 {"Content-Transfer-Encoding", " 8bit"}}) == "as it is");
  CHECK(body_of({{"Content-Type", " text/plain; charset=UTF-8"},
                 {"Content-Transfer-Encoding", " 8bit"}}) == "hello\r\ncaf\xc3\xa9\r\n");
  message.body_bytes += 1;  // the rest was not kept
  CHECK(body_of({}) == "as it is");
}

TEST_CASE("limits: waits are told in whole seconds, never zero") {
  CHECK(wait_text(Duration{0}) == "1s");
  CHECK(wait_text(Duration{1'001}) == "2s");
  CHECK(wait_text(Duration{300'000}) == "5m");
}
