// Greylists: weak, written only when told, promoted only by accepted mail (LANGUAGE 8, rulings 2,
// 3, 17).
#include "engine_fixture.h"

using namespace sluice;
using namespace sluice::engine;
using std::chrono::minutes;

namespace {

const char* const kFirstContact = R"(
rules:
  - greylist: first-contact
    stage: rcpt
    delay: 5m
)";

}  // namespace

TEST_CASE(
    "greylists: the first contact waits, too early waits on, later passes and is remembered") {
  Filter filter(kFirstContact);
  CHECK(Client(filter).send() == "450 4.7.1 first-contact");
  CHECK(filter.records.all.back().verdict.reply.text() == "Greylisted, try again in 5m");
  filter.clock.advance(minutes{3});
  CHECK(Client(filter).send() == "450 4.7.1 first-contact");
  CHECK(filter.records.all.back().verdict.reply.text() == "Greylisted, try again in 2m");
  filter.clock.advance(minutes{3});
  CHECK(Client(filter).send() == "250");
  filter.clock.advance(std::chrono::hours{24 * 30});
  CHECK(Client(filter).send() == "250");
}

TEST_CASE("greylists: a recipient refused permanently does not warm the table") {
  Filter filter(R"(
rules:
  - greylist: first-contact
    stage: rcpt
  - rule: bad
    stage: rcpt
    when: helo.name == "bad"
    then: reject 550 5.7.1
)");
  Client client(filter);
  client.connect(), client.helo("bad"), client.mail();
  CHECK(client.rcpt("<bob@example.com>") == "550 5.7.1 bad");
  CHECK(filter.store.count<backends::GreylistRecord>() == 0);
  filter.clock.advance(minutes{10});
  CHECK(Client(filter).send() == "450 4.7.1 first-contact");
}

TEST_CASE(
    "greylists: every greylist that asked for a wait is recorded with the first one's answer") {
  Filter filter(R"(
rules:
  - greylist: one
    stage: rcpt
    delay: 5m
  - greylist: two
    stage: rcpt
    delay: 15m
)");
  CHECK(Client(filter).send() == "450 4.7.1 one");
  CHECK(filter.store.count<backends::GreylistRecord>() == 2);
  filter.clock.advance(minutes{6});
  CHECK(Client(filter).send() == "450 4.7.1 two");
  filter.clock.advance(minutes{10});
  CHECK(Client(filter).send() == "250");
}

TEST_CASE("greylists: who comes back is promoted only when the message is accepted") {
  Filter filter(R"(
rules:
  - greylist: first-contact
    stage: rcpt
    delay: 5m
    retry_within: 1h
  - rule: spam
    stage: end
    when: helo.name == "spammer"
    then: reject 550 5.7.1
)");
  const auto send = [&] {
    Client client(filter);
    client.connect(), client.helo("spammer"), client.mail();
    const std::string answer = client.rcpt("<bob@example.com>");
    if (answer != "250") return answer;
    client.data();
    return client.end();
  };
  CHECK(send() == "450 4.7.1 first-contact");
  filter.clock.advance(minutes{10});
  CHECK(send() == "550 5.7.1 spam");
  CHECK(filter.store.count<backends::GreylistPromote>() == 0);
  filter.clock.advance(minutes{60});
  CHECK(send() == "450 4.7.1 first-contact");
}

TEST_CASE("greylists: auto_allow lets a key pass after so many entries came back") {
  Filter filter(R"(
rules:
  - greylist: first-contact
    stage: rcpt
    delay: 5m
    auto_allow: {key: client.net, after: 2, for: 1d}
)");
  for (const char* sender : {"<a@far.example>", "<b@far.example>"}) {
    CHECK(Client(filter).send("<bob@example.com>", sender) == "450 4.7.1 first-contact");
    filter.clock.advance(minutes{6});
    CHECK(Client(filter).send("<bob@example.com>", sender) == "250");
  }
  CHECK(Client(filter).send("<bob@example.com>", "<c@far.example>") == "250");
  CHECK(Client(filter, "198.51.100.7").send("<bob@example.com>", "<c@far.example>") ==
        "450 4.7.1 first-contact");
}

TEST_CASE("greylists: at data answers the null sender at DATA and records it there") {
  Filter filter(R"(
rules:
  - greylist: first-contact
    stage: rcpt
    delay: 5m
    at: data
    text: "{rcpt.address} has to wait"
)");
  Client client(filter);
  client.connect(), client.helo(), client.mail("<>");
  CHECK(client.rcpt("<bob@example.com>") == "250");
  CHECK(filter.store.count<backends::GreylistRecord>() == 0);
  CHECK(client.data() == "450 4.7.1 first-contact");
  CHECK(client.last.verdict.reply.text() == "bob@example.com has to wait");
  CHECK(filter.store.count<backends::GreylistRecord>() == 1);
  filter.clock.advance(minutes{6});
  CHECK(Client(filter).send("<bob@example.com>", "<>") == "250");
}

TEST_CASE("greylists: one at mail is answered at RCPT and recorded once") {
  Filter filter(R"(
rules:
  - greylist: by-sender
    stage: mail
    key: [client.net, sender.address]
    delay: 5m
)");
  Client client(filter);
  client.connect(), client.helo();
  CHECK(client.mail() == "250");
  CHECK(filter.store.count<backends::GreylistRecord>() == 0);
  CHECK(client.rcpt("<bob@example.com>") == "450 4.7.1 by-sender");
  CHECK(client.rcpt("<carol@example.com>") == "450 4.7.1 by-sender");
  CHECK(filter.store.count<backends::GreylistRecord>() == 1);
  filter.clock.advance(minutes{6});
  CHECK(Client(filter).send() == "250");
}

TEST_CASE("greylists: shadow fills the table that enforce reads later") {
  Filter shadow(std::string(kFirstContact) + "    mode: shadow\n");
  CHECK(Client(shadow).send() == "250");
  REQUIRE(shadow.records.all.size() == 7);
  REQUIRE(shadow.records.all[3].would.size() == 1);
  CHECK(shadow.records.all[3].would.front().code == 450);
  shadow.clock.advance(minutes{6});
  shadow.program = compile_text(kFirstContact);
  CHECK(Client(shadow).send() == "250");
}

TEST_CASE("greylists: exempt mail writes nothing, and with the store away mail passes") {
  Filter filter(R"(
rules:
  - exempt: logged-in
    stage: mail
    when: auth.user is set
    from: [kind:greylist]
  - greylist: first-contact
    stage: rcpt
)");
  CHECK(Client(filter, "203.0.113.9", "alice").send() == "250");
  CHECK(filter.store.ops.empty());
  filter.store.is_away = true;
  CHECK(Client(filter).send() == "250");
  CHECK(std::any_of(filter.records.all.begin(), filter.records.all.end(),
                    [](const auto& record) { return record.degraded; }));
}

TEST_CASE("greylists: at the end the key is the sorted set of recipients") {
  Filter filter(R"(
rules:
  - greylist: whole
    stage: end
    delay: 5m
)");
  const auto send = [&](std::vector<std::string> recipients) {
    Client client(filter);
    client.connect(), client.helo(), client.mail();
    for (const auto& one : recipients) client.rcpt(one);
    client.data();
    return client.end();
  };
  CHECK(send({"<bob@example.com>", "<al@example.com>"}) == "450 4.7.1 whole");
  filter.clock.advance(minutes{6});
  CHECK(send({"<al@example.com>"}) == "450 4.7.1 whole");
  CHECK(send({"<Al@example.com>", "<bob@example.com>", "<bob@example.com>"}) == "250");
}
