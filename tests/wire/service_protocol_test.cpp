// What the service agrees with the MTA, and sessions that are unusual, mixed or long.
#include <algorithm>
#include <atomic>
#include <csignal>
#include <thread>

#include "service_session.h"

using namespace sluice::wire_test;
using namespace sluice::peer;
using namespace std::chrono_literals;

namespace {

const std::string kNoId = "reply: {id: false}\n";

std::string policy_of(const std::string& stage, const std::string& condition,
                      const std::string& action = "reject 550 5.7.1") {
  return "sluice: 1\npolicy: one\nrules:\n  - rule: one\n    stage: " + stage + "\n    when: '" +
         condition + "'\n    then: " + action + "\n    text: 'one'\n";
}

const char* const kEcho = R"(
sluice: 1
policy: echo
rules:
  - rule: echo
    stage: rcpt
    when: rcpt.localpart starts_with "refused"
    then: reject 550 5.7.1
    text: '{rcpt.localpart} from {sender.localpart} by {helo.name}'
)";

bool asks_for(const Negotiation& negotiation, Event event, const std::string& macro) {
  const auto& list = negotiation.macros[static_cast<std::size_t>(rule_of(event).macro_stage)];
  return list && std::find(list->begin(), list->end(), macro) != list->end();
}

}  // namespace

TEST_CASE("negotiation: a policy that looks at envelopes takes no content") {
  SluiceFilter filter({policy_of("rcpt", "rcpt.localpart == \"x\"")});
  const MilterPeer peer = attached(filter->endpoint());
  const Negotiation& agreed = peer.negotiation();
  CHECK(agreed.version == kProtocolVersion);
  CHECK(agreed.takes(Event::Rcpt));
  for (const Event event : {Event::Header, Event::EndOfHeaders, Event::Body, Event::Unknown}) {
    INFO(rule_of(event).name);
    CHECK_FALSE(agreed.takes(event));
  }
}

TEST_CASE("negotiation: a policy that looks at headers takes them and no body") {
  SluiceFilter filter({policy_of("headers", "subject.text contains \"x\"")});
  const MilterPeer peer = attached(filter->endpoint());
  CHECK(peer.negotiation().takes(Event::Header));
  CHECK_FALSE(peer.negotiation().answers(Event::Header));
  CHECK_FALSE(peer.negotiation().takes(Event::Body));
}

TEST_CASE("negotiation: a policy that reads the body takes it") {
  SluiceFilter filter({policy_of("end", "body.text contains \"x\"")});
  const MilterPeer peer = attached(filter->endpoint());
  CHECK(peer.negotiation().takes(Event::Body));
}

TEST_CASE("negotiation: unknown commands are taken when a rule is about them") {
  SluiceFilter filter({policy_of("command", "command.count > 3", "reject 502 5.5.1")});
  const MilterPeer peer = attached(filter->endpoint());
  CHECK(peer.negotiation().takes(Event::Unknown));
}

TEST_CASE("negotiation: the macros of the facts in use are asked for by name") {
  SluiceFilter filter({policy_of("rcpt", "auth.user == \"alice\" or tls.version == \"TLSv1\"")});
  const MilterPeer peer = attached(filter->endpoint());
  CHECK(asks_for(peer.negotiation(), Event::Mail, "{auth_authen}"));
  const bool tls_known = asks_for(peer.negotiation(), Event::Helo, "{tls_version}") ||
                         asks_for(peer.negotiation(), Event::Mail, "{tls_version}");
  CHECK(tls_known);
  CHECK(asks_for(peer.negotiation(), Event::EndOfBody, "i"));
}

TEST_CASE("negotiation: a macro that came is what the rule sees") {
  SluiceFilter filter({policy_of("rcpt", "auth.user == \"alice\""), kNoId});
  for (const auto& [user, expected] :
       {std::pair<std::string, std::string>{"alice", "550 5.7.1 one"}, {"bob", "continue"}}) {
    MilterPeer peer = greeted(filter->endpoint());
    peer.know_macro("{auth_authen}", user);
    peer.know_macro("{auth_type}", "PLAIN");
    REQUIRE(passes(peer.mail({"<ann@far.example>"})));
    CHECK(said(peer.rcpt({"<bob@here.example>"})) == expected);
  }
}

TEST_CASE("negotiation: an old MTA that offers little is served") {
  SluiceFilter filter({policy_of("rcpt", "rcpt.localpart == \"x\""), kNoId});
  for (const Offer& offer : {Offer{2, 0x3f, 0x7f}, Offer{6, kAllActions, 0x7f}}) {
    MilterPeer peer = attached(filter->endpoint(), offer);
    REQUIRE(passes(peer.connect()));
    REQUIRE(passes(peer.helo("mail.far.example")));
    REQUIRE(passes(peer.mail({"<ann@far.example>"})));
    CHECK(said(peer.rcpt({"<x@here.example>"})) == "550 5.7.1 one");
    CHECK(passes(peer.rcpt({"<bob@here.example>"})));
    CHECK(passes(peer.data()));
    CHECK(passes(peer.header("Subject", "minutes")));
    CHECK(passes(peer.end_of_headers()));
    CHECK(passes(peer.body("text\r\n")));
    CHECK(passes(peer.end_of_body()));
  }
}

TEST_CASE("sessions: a client without an address or on a unix socket is judged like any other") {
  SluiceFilter filter({kEcho, kNoId});
  for (const ClientAddress& client :
       {ClientAddress{"localhost", 'U', 0, ""}, ClientAddress{"localhost", 'L', 0, "/run/x.sock"},
        ClientAddress{"mail.far.example", '6', 25, "2001:db8::7"},
        ClientAddress{"mail.far.example", '6', 25, "IPv6:2001:db8::7"},
        ClientAddress{"[192.0.2.9]", '4', 0, "192.0.2.9"}}) {
    MilterPeer peer = greeted(filter->endpoint(), client);
    REQUIRE(passes(peer.mail({"<ann@far.example>"})));
    CHECK(said(peer.rcpt({"<bob@here.example>"})) == "continue");
    CHECK(said(peer.rcpt({"<refused@here.example>"})) ==
          "550 5.7.1 refused from ann by mail.far.example");
    CHECK(passes(peer.end_of_body()));
  }
}

TEST_CASE("sessions: a client address that is a condition decides") {
  SluiceFilter filter(
      {policy_of("rcpt", "client.ip in [\"192.0.2.0/24\", \"2001:db8::/32\"]"), kNoId});
  const auto answer_for = [&](const ClientAddress& client) {
    MilterPeer peer = greeted(filter->endpoint(), client);
    REQUIRE(passes(peer.mail({"<ann@far.example>"})));
    return said(peer.rcpt({"<bob@here.example>"}));
  };
  CHECK(answer_for({"x.example", '4', 1, "192.0.2.200"}) == "550 5.7.1 one");
  CHECK(answer_for({"x.example", '6', 1, "2001:db8::1"}) == "550 5.7.1 one");
  CHECK(answer_for({"x.example", '6', 1, "::ffff:192.0.2.1"}) == "550 5.7.1 one");
  CHECK(answer_for({"x.example", '4', 1, "198.51.100.1"}) == "continue");
  CHECK(answer_for({"localhost", 'U', 0, ""}) == "continue");
}

TEST_CASE("sessions: interleaved ones never see each other") {
  SluiceFilter filter({kEcho, kNoId});
  constexpr std::size_t kSessions = 25;
  std::vector<MilterPeer> peers;
  const auto own = [](const char* name, std::size_t i) { return name + std::to_string(i); };
  for (std::size_t i = 0; i < kSessions; ++i) peers.push_back(attached(filter->endpoint()));
  for (std::size_t i = kSessions; i-- > 0;) REQUIRE(passes(peers[i].connect()));
  for (std::size_t i = 0; i < kSessions; ++i)
    REQUIRE(passes(peers[i].helo(own("helo", i) + ".far.example")));
  for (std::size_t i = kSessions; i-- > 0;)
    REQUIRE(passes(peers[i].mail({"<" + own("ann", i) + "@far.example>"})));
  for (int round = 0; round < 3; ++round)
    for (std::size_t i = 0; i < kSessions; ++i)
      CHECK(said(peers[i].rcpt({"<" + own("refused", i) + "@here.example>"})) ==
            "550 5.7.1 " + own("refused", i) + " from " + own("ann", i) + " by " + own("helo", i) +
                ".far.example");
}

TEST_CASE("sessions: abort ends a transaction and nothing else") {
  SluiceFilter filter({policy_of("rcpt", "rcpt.count > 2", "defer 452 4.5.3"), kNoId});
  MilterPeer peer = greeted(filter->endpoint());
  for (int transaction = 0; transaction < 3; ++transaction) {
    REQUIRE(passes(peer.mail({"<ann@far.example>"})));
    CHECK(said(peer.rcpt({"<a@here.example>"})) == "continue");
    CHECK(said(peer.rcpt({"<b@here.example>"})) == "continue");
    CHECK(said(peer.rcpt({"<c@here.example>"})) == "452 4.5.3 one");
    REQUIRE(peer.abort());
  }
}

TEST_CASE("sessions: a second HELO replaces the first") {
  SluiceFilter filter({kEcho, kNoId});
  MilterPeer peer = greeted(filter->endpoint(), {}, "first.far.example");
  REQUIRE(passes(peer.helo("second.far.example")));
  REQUIRE(passes(peer.mail({"<ann@far.example>"})));
  CHECK(said(peer.rcpt({"<refused@here.example>"})) ==
        "550 5.7.1 refused from ann by second.far.example");
}

TEST_CASE("sessions: a quit for a new connection begins afresh on the same socket") {
  SluiceFilter filter({kEcho, kNoId});
  MilterPeer peer = greeted(filter->endpoint(), {}, "first.far.example");
  REQUIRE(passes(peer.mail({"<ann@far.example>"})));
  // As Sendmail does it, after a message; elsewhere libmilter does not take it.
  REQUIRE(passes(peer.rcpt({"<bob@here.example>"})));
  REQUIRE(passes(peer.end_of_body()));
  std::string out;
  append_bare(out, Command::QuitForNewConnection);
  REQUIRE(peer.link().send(out, 60s));
  REQUIRE(passes(peer.connect({"other.example", '4', 25, "198.51.100.7"})));
  REQUIRE(passes(peer.helo("second.far.example")));
  REQUIRE(passes(peer.mail({"<eve@far.example>"})));
  CHECK(said(peer.rcpt({"<refused@here.example>"})) ==
        "550 5.7.1 refused from eve by second.far.example");
}

TEST_CASE("sessions: one that began before a reload keeps its policy") {
  SluiceFilter filter({policy_of("rcpt", "rcpt.localpart == \"x\""), kNoId});
  MilterPeer before = greeted(filter->endpoint());
  std::string changed = policy_of("rcpt", "rcpt.localpart == \"x\"", "defer 450 4.7.1");
  filter.folder().write("policy.yaml", changed);
  filter->signal(SIGHUP);
  const auto answer_of_new = [&] {
    MilterPeer after = greeted(filter->endpoint());
    REQUIRE(passes(after.mail({"<ann@far.example>"})));
    return said(after.rcpt({"<x@here.example>"}));
  };
  std::string seen;
  for (int i = 0; i < 1'000 && seen != "450 4.7.1 one"; ++i) {
    std::this_thread::sleep_for(50ms);
    seen = answer_of_new();
  }
  CHECK(seen == "450 4.7.1 one");
  REQUIRE(passes(before.mail({"<ann@far.example>"})));
  CHECK(said(before.rcpt({"<x@here.example>"})) == "550 5.7.1 one");
}

TEST_CASE("sessions: about a recipient that the MTA refuses anyway nothing is decided") {
  SluiceFilter filter({policy_of("rcpt", "rcpt.localpart == \"x\""), kNoId});
  MilterPeer peer = greeted(filter->endpoint());
  REQUIRE(passes(peer.mail({"<ann@far.example>"})));
  peer.know_macro("{rcpt_mailer}", "error");
  peer.know_macro("{rcpt_host}", "5.1.1");
  peer.know_macro("{rcpt_addr}", "550 5.1.1 User unknown");
  CHECK(passes(peer.rcpt({"<x@here.example>"})));
  peer.know_macro("{rcpt_mailer}", "local");
  CHECK(said(peer.rcpt({"<x@here.example>"})) == "550 5.7.1 one");
}

TEST_CASE("sessions: an answer that is delayed delays nobody else") {
  SluiceFilter filter(
      {"sluice: 1\npolicy: slow\nrules:\n  - rule: slow\n    stage: rcpt\n"
       "    when: rcpt.localpart == \"slow\"\n    then: delay 8s\n",
       kNoId});
  std::vector<std::jthread> slow;
  slow.reserve(20);
  std::atomic<int> asked = 0, answered = 0, too_early = 0;
  // libmilter's pool sleeps in its threads and may leave one delayed session behind another: eight
  // seconds become sixteen or more beside other work. The wire engine has timers.
  for (int i = 0; i < 20; ++i)
    slow.emplace_back([&] {
      auto peer = MilterPeer::attach(filter->endpoint(), {}, 160s);
      if (!peer || !passes(peer->connect()) || !passes(peer->helo("slow.far.example")) ||
          !passes(peer->mail({"<ann@far.example>"})))
        return;
      const auto sent = std::chrono::steady_clock::now();
      ++asked;
      if (passes(peer->rcpt({"<slow@here.example>"}))) ++answered;
      if (std::chrono::steady_clock::now() - sent < 7'900ms) ++too_early;
    });
  for (int i = 0; i < 6'000 && asked < 20; ++i) std::this_thread::sleep_for(10ms);
  CHECK(asked == 20);
  std::this_thread::sleep_for(100ms);
  const auto begin = std::chrono::steady_clock::now();
  MilterPeer peer = greeted(filter->endpoint());
  for (int i = 0; i < 20; ++i) {
    REQUIRE(passes(peer.mail({"<ann@far.example>"})));
    REQUIRE(passes(peer.rcpt({"<bob@here.example>"})));
    REQUIRE(passes(peer.end_of_body()));
  }
  CHECK(std::chrono::steady_clock::now() - begin < 6s);
  slow.clear();
  CHECK(answered == 20);
  CHECK(too_early == 0);
}

TEST_CASE("sessions: beyond the cap an MTA is turned away, below it served again") {
  SluiceFilter filter({kEcho, kNoId + "resources: {sessions: 5}\n"});
  std::vector<MilterPeer> held;
  held.reserve(5);
  for (int i = 0; i < 5; ++i) held.push_back(greeted(filter->endpoint()));
  CHECK_FALSE(MilterPeer::attach(filter->endpoint(), {}, 2s));
  REQUIRE(passes(held[4].mail({"<ann@far.example>"})));
  held.pop_back();
  // The filter learns of the end a moment later.
  auto next = MilterPeer::attach(filter->endpoint(), {}, 2s);
  for (int i = 0; i < 600 && !next; ++i) {
    std::this_thread::sleep_for(100ms);
    next = MilterPeer::attach(filter->endpoint(), {}, 2s);
  }
  REQUIRE(next);
  CHECK(passes(next->connect()));
}

TEST_CASE("sessions: recipients beyond the cap are put off, the others stay") {
  SluiceFilter filter({kEcho, kNoId + "resources: {recipients: 3}\n"});
  MilterPeer peer = greeted(filter->endpoint());
  REQUIRE(passes(peer.mail({"<ann@far.example>"})));
  for (const char* rcpt : {"<a@here.example>", "<b@here.example>", "<c@here.example>"})
    REQUIRE(passes(peer.rcpt({rcpt})));
  CHECK(said(peer.rcpt({"<d@here.example>"})).substr(0, 9) == "452 4.5.3");
  CHECK(passes(peer.end_of_body()));
}

TEST_CASE("sessions: over TCP no answer waits for a delayed acknowledgement") {
  SluiceFilter filter(
      {"sluice: 1\npolicy: tcp\nrules:\n  - rule: mark\n    stage: rcpt\n"
       "    when: rcpt.domain == \"here.example\"\n    then: header X-Seen = \"yes\"\n",
       kNoId, true});
  MilterPeer peer = greeted(filter->endpoint());
  // Postfix sends the macros of DATA also when the step is declined: they then stand alone in a
  // packet that nobody answers, and the next command would wait for its acknowledgement. libmilter
  // has to keep the step; the wire engine acknowledges at once.
  const bool is_wire = engine_under_test() == "wire";
  CHECK(peer.negotiation().takes(Event::Data) == !is_wire);
  std::string lone_macros;
  append_macros(lone_macros, Command::Data, {{"i", "4fRQ"}});
  // A delayed acknowledgement takes 40 ms, and would come in each message: a dozen quick ones show
  // that there is none, however many are slow on a busy machine.
  constexpr int kQuickOnes = 12, kMost = 600;
  int quick = 0;
  for (int i = 0; i < kMost && quick < kQuickOnes; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    REQUIRE(passes(peer.mail({"<ann@far.example>"})));
    REQUIRE(passes(peer.rcpt({"<bob@here.example>"})));
    if (is_wire) REQUIRE(peer.link().send(lone_macros, 60s));
    REQUIRE(passes(peer.data()));
    const auto answer = peer.end_of_body();
    REQUIRE(passes(answer));
    CHECK(answer->edits.size() == 1);
    quick += std::chrono::steady_clock::now() - begin < 35ms ? 1 : 0;
  }
  CHECK(quick == kQuickOnes);
}
