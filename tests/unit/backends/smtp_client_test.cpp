#include "backends/smtp_client.h"

#include <chrono>
#include <future>

#include "../../free_port.h"
#include "scripted_smtp.h"

using namespace sluice;
using namespace sluice::backends;

namespace {

// One session against a server, from the first byte to the closed connection.
struct Asked {
  SmtpOutcome outcome;
  Duration took{0};
};

Asked ask(std::uint16_t port, Duration timeout = Duration{60'000},
          const std::string& to = "<bob@far.example>", const std::string& host = "127.0.0.1") {
  const auto begun = std::chrono::steady_clock::now();
  auto loop = std::move(*EventLoop::start("smtp test"));
  std::promise<SmtpOutcome> answered;
  std::promise<void> closed;
  std::unique_ptr<SmtpClient> client;
  loop->post([&] {
    SmtpQuestion question;
    question.server = *parse_endpoint(host + ":" + std::to_string(port));
    question.helo = "mx.here.example";
    question.to = to;
    client = std::make_unique<SmtpClient>(
        *loop, question, SmtpClient::Options{timeout, timeout},
        SmtpClient::Events{[&](const SmtpOutcome& outcome) { answered.set_value(outcome); },
                           [&] {
                             client.reset();
                             closed.set_value();
                           }});
  });
  Asked asked;
  asked.outcome = answered.get_future().get();
  asked.took = std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - begun);
  closed.get_future().get();
  return asked;
}

SmtpOutcome against(ScriptedSmtp::Script script, Duration timeout = Duration{60'000}) {
  ScriptedSmtp server(std::move(script));
  return ask(server.port(), timeout).outcome;
}

void check(const SmtpOutcome& outcome, SmtpPhase phase, SmtpEnd end, int code = 0) {
  CHECK(outcome.phase == phase);
  CHECK(outcome.end == end);
  CHECK(outcome.reply.code == code);
}

// Plays a well-behaved session up to `verb`, then lets `then` go on instead of an answer.
ScriptedSmtp::Script until(const std::string& verb, std::function<void(SmtpPeer&)> then) {
  return [verb, then](SmtpPeer& peer) {
    if (verb == "CONNECT") return then(peer);
    peer.say("220 mx.far.example");
    for (std::string line; !(line = peer.hear()).empty();) {
      if (line.substr(0, 4) == verb) return then(peer);
      peer.say("250 2.0.0 Ok");
    }
  };
}

const std::pair<const char*, SmtpPhase> kVerbs[] = {{"CONNECT", SmtpPhase::Greeting},
                                                    {"EHLO", SmtpPhase::Helo},
                                                    {"MAIL", SmtpPhase::Mail},
                                                    {"RCPT", SmtpPhase::Rcpt}};

}  // namespace

TEST_CASE("smtp client: asks with the null sender up to RCPT and says goodbye") {
  ScriptedSmtp server(answering({}));
  check(ask(server.port()).outcome, SmtpPhase::Rcpt, SmtpEnd::Replied, 250);
  CHECK(server.heard() == std::vector<std::string>{"EHLO mx.here.example", "MAIL FROM:<>",
                                                   "RCPT TO:<bob@far.example>", "RSET", "QUIT"});
}

TEST_CASE("smtp client: a server that knows no EHLO is asked with HELO") {
  SmtpAnswers answers;
  answers.ehlo = "502 5.5.1 what?";
  ScriptedSmtp server(answering(answers));
  check(ask(server.port()).outcome, SmtpPhase::Rcpt, SmtpEnd::Replied, 250);
  CHECK(server.heard()[1] == "HELO mx.here.example");
}

TEST_CASE("smtp client: a refusal ends the session where it is said, with QUIT") {
  struct Row {
    std::string SmtpAnswers::*answer;
    std::string reply;
    SmtpPhase phase;
  };
  const Row row = GENERATE(Row{&SmtpAnswers::greeting, "554 5.7.1 no service", SmtpPhase::Greeting},
                           Row{&SmtpAnswers::greeting, "450 4.3.2 later", SmtpPhase::Greeting},
                           Row{&SmtpAnswers::ehlo, "451 4.3.0 later", SmtpPhase::Helo},
                           Row{&SmtpAnswers::mail, "550 5.7.1 no null senders", SmtpPhase::Mail},
                           Row{&SmtpAnswers::rcpt, "550 5.1.1 who?", SmtpPhase::Rcpt});
  SmtpAnswers answers;
  answers.*row.answer = row.reply;
  ScriptedSmtp server(answering(answers));
  check(ask(server.port()).outcome, row.phase, SmtpEnd::Replied, std::stoi(row.reply));
  CHECK(server.last_heard() == "QUIT");
}

TEST_CASE("smtp client: after 421 nothing more is said") {
  for (const auto& [verb, phase] : kVerbs) {
    ScriptedSmtp server(until(verb, [](SmtpPeer& peer) {
      peer.say("421 4.3.2 closing");
      peer.hold();
    }));
    check(ask(server.port()).outcome, phase, SmtpEnd::Replied, 421);
    CHECK(server.last_heard().substr(0, 4) == (std::string(verb) == "CONNECT" ? "" : verb));
  }
}

TEST_CASE("smtp client: a connection that is closed or reset is told with the verb it followed") {
  for (const auto& [verb, phase] : kVerbs) {
    check(against(until(verb, [](SmtpPeer&) {})), phase, SmtpEnd::Dropped);
    check(against(until(verb, [](SmtpPeer& peer) { peer.reset(); })), phase, SmtpEnd::Dropped);
    // Half a reply, then closed.
    check(against(until(verb, [](SmtpPeer& peer) { peer.say_bytes("250-2.0.0 Ok\r\n250"); })),
          phase, SmtpEnd::Dropped);
  }
}

TEST_CASE("smtp client: silence and drips end with the session's time") {
  const Duration timeout{300};
  for (const auto& [verb, phase] : kVerbs) {
    SmtpOutcome outcome;
    // A busy machine needs more time to come so far.
    for (Duration given = timeout; given < Duration{60'000}; given *= 4) {
      outcome = against(until(verb, [](SmtpPeer& peer) { peer.hold(); }), given);
      if (outcome.phase == phase) break;
      CHECK(outcome.end == SmtpEnd::Silent);
    }
    check(outcome, phase, SmtpEnd::Silent);
  }
  ScriptedSmtp server([](SmtpPeer& peer) {
    while (peer.say_bytes("2")) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  });
  const Asked asked = ask(server.port(), timeout);
  check(asked.outcome, SmtpPhase::Greeting, SmtpEnd::Silent);
  CHECK(asked.took >= timeout);
}

TEST_CASE("smtp client: garbage is no reply, whatever its size") {
  const std::string garbage =
      GENERATE(as<std::string>{}, "HTTP/1.1 400 Bad Request\r\n", "\x16\x03\x01\x02\r\n", "\r\n",
               "250_x\r\n", std::string(5'000, '2'), std::string(5'000, '\0'));
  for (const auto& [verb, phase] : kVerbs)
    check(against(until(verb,
                        [&](SmtpPeer& peer) {
                          peer.say_bytes(garbage);
                          peer.hold();
                        })),
          phase, SmtpEnd::Malformed);
}

TEST_CASE("smtp client: a reply of ten megabytes is not read to its end") {
  std::atomic<std::size_t> sent{0};
  const auto outcome = against([&](SmtpPeer& peer) {
    const std::string line = "220-" + std::string(90, 'x');
    for (int i = 0; i < 110'000 && peer.say(line); ++i) sent += line.size() + 2;
  });
  check(outcome, SmtpPhase::Greeting, SmtpEnd::Malformed);
  CHECK(sent < 10'000'000);
  // Many short replies are no better.
  check(against([](SmtpPeer& peer) {
          while (peer.say("250 2.0.0 Ok")) {
          }
        }),
        SmtpPhase::Rcpt, SmtpEnd::Replied, 250);
}

TEST_CASE("smtp client: a server that never says goodbye is left soon") {
  const auto begun = std::chrono::steady_clock::now();
  ScriptedSmtp server(until("RSET", [](SmtpPeer& peer) { peer.hold(); }));
  const Asked asked = ask(server.port(), Duration{240'000});
  check(asked.outcome, SmtpPhase::Rcpt, SmtpEnd::Replied, 250);
  CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(90));
}

TEST_CASE("smtp client: nobody listens") {
  const auto port = static_cast<std::uint16_t>(sluice::testing::free_port());
  check(ask(port).outcome, SmtpPhase::Connect, SmtpEnd::NotConnected);
}

TEST_CASE("smtp client: an address outside ASCII needs a server with SMTPUTF8") {
  ScriptedSmtp old_server(answering({}));
  check(ask(old_server.port(), Duration{60'000}, "<jörg@far.example>").outcome, SmtpPhase::Helo,
        SmtpEnd::Unsayable);
  CHECK(old_server.last_heard() == "QUIT");
  SmtpAnswers answers;
  answers.ehlo = "250-mx.far.example\r\n250 SMTPUTF8";
  ScriptedSmtp new_server(answering(answers));
  check(ask(new_server.port(), Duration{60'000}, "<jörg@far.example>").outcome, SmtpPhase::Rcpt,
        SmtpEnd::Replied, 250);
  CHECK(new_server.heard()[1] == "MAIL FROM:<> SMTPUTF8");
}

TEST_CASE("smtp client: what would begin another command is never sent") {
  ScriptedSmtp server(answering({}));
  check(ask(server.port(), Duration{60'000}, "<a@b>\r\nDATA").outcome, SmtpPhase::Connect,
        SmtpEnd::Unsayable);
  CHECK(server.heard().empty());
}
