// DKIM, DMARC and Authentication-Results in a session: fed while the message comes, from any piece
// size, and with keys that are asked for before the body.
#include "../facts/dkim_signer.h"
#include "engine_fixture.h"

using namespace sluice;
using namespace sluice::engine;
using facts::testing::SigningKey;
using facts::testing::SigningOptions;
using Kind = mail::Edit::Kind;

namespace {

const SigningKey& key() {
  static const SigningKey made = SigningKey::ed25519();
  return made;
}

constexpr const char* kRules =
    "rules:\n"
    "  - rule: dmarc\n"
    "    stage: end\n"
    "    when: dmarc.result == fail and dmarc.policy == reject\n"
    "    then: reject 550 5.7.1\n"
    "  - rule: signed\n"
    "    stage: end\n"
    "    when: dkim.result == pass\n"
    "    then: quarantine\n";

mail::Message signed_message(std::string body = "Hello.\r\n") {
  mail::Message message = facts::testing::sample_message();
  message.body = std::move(body);
  facts::testing::put_on_top(message, facts::testing::sign(message, key()));
  return message;
}

struct Mailed : Filter {
  explicit Mailed(const std::string& rules = kRules) : Filter(rules) {
    REQUIRE(dns.add("s1._domainkey.far.example TXT", {key().record()}));
    REQUIRE(dns.add("_dmarc.far.example TXT", {"v=DMARC1; p=reject"}));
  }
  void add_results() {
    program = compile_text("rules: []\n");
    services.settings.authserv_id = "mx.here.example";
  }

  Answer last;
  std::string deliver(const mail::Message& message, std::size_t piece = 65'535,
                      const std::string& ip = "203.0.113.9", const std::string& login = {}) {
    Client client(*this, ip, login);
    client.connect();
    client.helo();
    client.mail("<ann@far.example>");
    client.rcpt("<bob@example.com>");
    Session& session = *client.session;
    REQUIRE(session.data("Q1"));
    for (const mail::Header& field : message.headers) session.header(field.name, field.value);
    REQUIRE(session.end_of_headers());
    for (std::size_t at = 0; at < message.body.size(); at += piece)
      session.body(std::string_view(message.body).substr(at, piece));
    auto answer = session.end_of_message("Q1");
    REQUIRE(answer);
    last = std::move(*answer);
    return told(last);
  }
  std::vector<std::string> edits() const {
    std::vector<std::string> list;
    for (const mail::Edit& edit : last.verdict.edits)
      list.push_back((edit.kind == Kind::RemoveHeader   ? "remove "
                      : edit.kind == Kind::InsertHeader ? "insert "
                                                        : "other ") +
                     edit.name + " " + std::to_string(edit.index));
    return list;
  }
};

}  // namespace

TEST_CASE("a session: a signed message passes in pieces of any size, a changed one does not") {
  Mailed filter;
  const mail::Message message = signed_message();
  for (const std::size_t piece : {1, 3, 65'535})
    CHECK(filter.deliver(message, piece) == "quarantine signed");
  mail::Message changed = message;
  changed.body = "Hallo.\r\n";
  CHECK(filter.deliver(changed) == "550 5.7.1 dmarc");
  CHECK(filter.deliver(facts::testing::sample_message()) == "550 5.7.1 dmarc");
}

TEST_CASE("a session: a body beyond what is kept verifies, and none of it is kept for that") {
  Mailed filter;
  CHECK(filter.program->needs_body());
  CHECK_FALSE(filter.program->keeps_body());
  filter.services.resources.body_bytes = 1'000;
  std::string body;
  for (int i = 0; i < 50'000; ++i) body += "a line that nobody keeps\r\n";
  CHECK(filter.deliver(signed_message(body)) == "quarantine signed");
}

TEST_CASE("a session: header fields beyond the cap are no pass") {
  Mailed filter;
  filter.services.resources.headers = 3;
  CHECK(filter.deliver(signed_message()) == "250");  // dkim and dmarc are permerror
}

TEST_CASE("a session: what SPF uses up of the look-ups leaves those of DKIM and DMARC") {
  Mailed filter;
  // Ten MX hosts in each of several terms: more than a transaction may ask.
  std::string record = "v=spf1";
  for (int term = 0; term < 10; ++term) {
    const std::string domain = "m" + std::to_string(term) + ".far.example";
    record += " mx:" + domain;
    std::vector<std::string> hosts;
    for (int host = 0; host < 10; ++host)
      hosts.push_back("10 h" + std::to_string(host) + "." + domain);
    REQUIRE(filter.dns.add(domain + " MX", hosts));
    for (int host = 0; host < 10; ++host)
      REQUIRE(filter.dns.add("h" + std::to_string(host) + "." + domain + " A", {"192.0.2.1"}));
  }
  REQUIRE(filter.dns.add("far.example TXT", {record + " -all"}));
  CHECK(filter.deliver(signed_message()) == "quarantine signed");
}

TEST_CASE("Authentication-Results: each accepted message gets one on top, no rule needed") {
  Mailed filter;
  filter.add_results();
  CHECK_FALSE(filter.program->needs_body());
  CHECK(Session(filter.services, filter.program).wants_content());
  CHECK(filter.deliver(signed_message()) == "250");
  CHECK(filter.edits() == std::vector<std::string>{"insert Authentication-Results 0"});
  const std::string& value = filter.last.verdict.edits.back().value;
  CHECK(value.rfind("mx.here.example;\n\tspf=none smtp.mailfrom=ann@far.example;\n\tdkim=pass ",
                    0) == 0);
  CHECK(value.find("dmarc=pass (p=reject) header.from=far.example") != std::string::npos);
}

TEST_CASE("Authentication-Results: fields in our name go, from the highest number down") {
  Mailed filter;
  filter.add_results();
  filter.services.settings.trusted_relays = {*Network::parse("198.51.100.0/24")};
  mail::Message message = signed_message();
  for (const char* value :
       {" mx.here.example; dkim=pass", " other.example; dkim=pass", " MX.Here.example 1; none",
        " (x) \"mx.here.example\"; none", " mx.here.example.evil.example; none"})
    message.headers.push_back({"Authentication-results", value});
  CHECK(filter.deliver(message) == "250");
  const std::vector<std::string> removed{"remove Authentication-Results 4",
                                         "remove Authentication-Results 3",
                                         "remove Authentication-Results 1"};
  auto expected = removed;
  expected.push_back("insert Authentication-Results 0");
  CHECK(filter.edits() == expected);

  // Beyond the fields that are kept as well.
  filter.services.resources.headers = 2;
  CHECK(filter.deliver(message) == "250");
  CHECK(filter.edits() == expected);
  filter.services.resources.headers = 1'000;

  // Our own users' mail is not judged, but they may not forge; a relay of ours has judged at the
  // edge.
  CHECK(filter.deliver(message, 100, "203.0.113.9", "ann") == "250");
  CHECK(filter.edits() == removed);
  CHECK(filter.deliver(message, 100, "198.51.100.7") == "250");
  CHECK(filter.edits().empty());
}

TEST_CASE("Authentication-Results: without a name of ours nothing is added and nothing taken out") {
  Mailed filter;
  mail::Message message = facts::testing::sample_message();
  message.headers.push_back({"Authentication-Results", " mx.here.example; dkim=pass"});
  message.headers[1].value = " x@none.example";
  CHECK(filter.deliver(message) == "250");
  CHECK(filter.edits().empty());
}
