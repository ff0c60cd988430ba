#include "load/conversation.h"

#include <catch2/catch.hpp>
#include <functional>

#include "milter_peer/frame.h"

using namespace sluice::load;
using namespace sluice::peer;
using Need = Conversation::Need;
using Outcome = Conversation::Outcome;

namespace {

LoadOptions small_mail() {
  LoadOptions options;
  options.recipients = 2;
  options.headers = 1;
  options.body_bytes = 70000;  // two chunks
  return options;
}

Script script_for(std::uint32_t steps) {
  Negotiation negotiation;
  negotiation.steps = steps;
  return Script(small_mail(), negotiation);
}

// The command letters of the frames, macros left out.
std::string commands(const std::string& bytes) {
  FrameReader reader;
  reader.feed(bytes);
  std::string letters;
  while (const auto frame = reader.next())
    if (frame->code != 'D') letters += frame->code;
  return letters;
}

// Plays a session against a filter that answers `answer` to every question; what it was sent.
std::string played(Conversation& conversation, const Script& script,
                   const std::function<AnswerCode(Event)>& answer) {
  std::string out;
  while (conversation.proceed(script, false, out) == Need::Answer)
    conversation.take(script, answer(conversation.awaited()));
  return commands(out);
}

AnswerCode go_on(Event) { return AnswerCode::Continue; }

constexpr std::uint32_t kFew = kNoData | kNoHeaders | kNoEndOfHeaders | kNoBody;

}  // namespace

TEST_CASE("conversation: every step in its order, abort before each further message") {
  const Script script = script_for(0);
  Conversation conversation(2, 7);
  CHECK(played(conversation, script, go_on) == "CHMRRTLNBBEAMRRTLNBBEQ");
}

TEST_CASE("conversation: declined steps are not sent, silent ones are not waited for") {
  Conversation few(2, 7);
  CHECK(played(few, script_for(kFew), go_on) == "CHMRREAMRREQ");
  const Script silent = script_for(kSilentHeader | kSilentBody | kSilentRcpt);
  Conversation conversation(1, 7);
  std::string asked;
  CHECK(played(conversation, silent, [&](Event event) {
          asked += static_cast<char>(rule_of(event).command);
          return AnswerCode::Continue;
        }) == "CHMRRTLNBBEQ");
  CHECK(asked == "CHMTNE");
}

TEST_CASE("conversation: the client pauses before each command of its own, also an unseen one") {
  const Script script = script_for(kFew);
  Conversation conversation(1, 7);
  std::string out;
  int pauses = 0;
  for (Need need = conversation.proceed(script, true, out); need != Need::End;
       need = conversation.proceed(script, true, out)) {
    if (need == Need::Pause) ++pauses;
    if (need == Need::Answer) conversation.take(script, AnswerCode::Continue);
  }
  CHECK(pauses == 6);  // HELO, MAIL, two RCPT, DATA, the dot
}

TEST_CASE("conversation: refusals end what they refuse") {
  const Script script = script_for(kFew);
  const auto refusing = [](Event refused) {
    return [refused](Event event) {
      return event == refused ? AnswerCode::ReplyCode : AnswerCode::Continue;
    };
  };
  Conversation at_mail(2, 7);
  CHECK(played(at_mail, script, refusing(Event::Mail)) == "CHMAMQ");
  Conversation at_rcpt(1, 7);
  CHECK(played(at_rcpt, script, refusing(Event::Rcpt)) == "CHMRRQ");
  Conversation at_connect(5, 7);
  CHECK(played(at_connect, script, refusing(Event::Connect)) == "CQ");
}

TEST_CASE("conversation: accept ends the message, skip the body") {
  const Script script = script_for(0);
  const auto saying = [](Event at, AnswerCode code) {
    return [at, code](Event event) { return event == at ? code : AnswerCode::Continue; };
  };
  Conversation accept(2, 7);
  CHECK(played(accept, script, saying(Event::Rcpt, AnswerCode::Accept)) == "CHMRAMRQ");
  Conversation skip(1, 7);
  CHECK(played(skip, script, saying(Event::Body, AnswerCode::Skip)) == "CHMRRTLNBEQ");
}

TEST_CASE("conversation: each message is counted once") {
  const Script script = script_for(kFew);
  Conversation conversation(3, 7);
  std::string out;
  int delivered = 0, refused = 0, number = 0;
  while (conversation.proceed(script, false, out) == Need::Answer) {
    const bool refuse = conversation.awaited() == Event::EndOfBody && ++number == 2;
    const Outcome outcome =
        conversation.take(script, refuse ? AnswerCode::Tempfail : AnswerCode::Continue);
    delivered += outcome == Outcome::Delivered;
    refused += outcome == Outcome::Refused;
  }
  CHECK(delivered == 2);
  CHECK(refused == 1);
}
