// The service's answers as bytes: the right code, at the right step, exactly as the MTA must get
// it.
#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "service_session.h"

using namespace sluice::wire_test;
using namespace std::string_literals;

namespace {

const std::string kNoId = "reply: {id: false}\n";

// Every code that a policy can give, with an enhanced status of its class.
const std::vector<std::string> kCodes = {
    "422 4.2.2", "431 4.7.28", "441 4.4.1", "442 4.4.2",  "446 4.4.6", "450 4.7.1",
    "451 4.3.0", "452 4.5.3",  "454 4.7.0", "455 4.5.4",  "471 4.3.0", "500 5.5.2",
    "501 5.5.4", "502 5.5.1",  "503 5.5.1", "504 5.5.2",  "510 5.1.8", "512 5.1.2",
    "523 5.3.4", "530 5.7.0",  "535 5.7.8", "538 5.7.11", "541 5.7.1", "550 5.7.1",
    "551 5.1.6", "552 5.2.2",  "553 5.1.7", "554 5.7.1",  "555 5.5.4"};

std::string policy_of_all_codes() {
  std::string policy = "sluice: 1\npolicy: codes\nrules:\n";
  for (const std::string& code : kCodes)
    policy += fmt::format(
        "  - rule: r{0}\n    stage: rcpt\n    when: rcpt.localpart == \"c{0}\"\n    then: {1} {2}\n"
        "    text: 'code {0}'\n",
        code.substr(0, 3), code[0] == '5' ? "reject" : "defer", code);
  return policy;
}

const char* const kStages = R"(
sluice: 1
policy: stages
defaults: {reply_at: stage}
rules:
  - rule: at-connect
    stage: connect
    when: client.name == "refused.far.example"
    then: reject 554 5.7.1
    text: 'at connect'
  - rule: at-helo
    stage: helo
    when: helo.name == "refused.far.example"
    then: reject 504 5.5.2
    text: 'at helo'
  - rule: at-command
    stage: command
    when: command.name == "FROB"
    then: reject 502 5.5.1
    text: 'at command'
  - rule: at-mail
    stage: mail
    when: sender.localpart == "refused"
    then: reject 510 5.1.8
    text: 'at mail'
  - rule: at-rcpt
    stage: rcpt
    when: rcpt.localpart == "refused"
    then: defer 450 4.7.1
    text: 'at rcpt'
  - rule: at-data
    stage: data
    when: any(rcpts, rcpt.localpart == "data")
    then: reject 554 5.7.1
    text: 'at data'
  - rule: at-headers
    stage: headers
    when: subject.text contains "refused"
    then: reject 541 5.7.1
    text: 'at headers'
  - rule: at-end
    stage: end
    when: body.text contains "refused"
    then: reject 550 5.7.1
    text: 'at end'
  - rule: leave
    stage: mail
    when: sender.localpart == "leave"
    then: disconnect 421 4.3.2
    text: 'goodbye'
)";

}  // namespace

TEST_CASE("answers: every reply code of a policy reaches the MTA byte for byte") {
  SluiceFilter filter({policy_of_all_codes(), kNoId});
  MilterPeer peer = greeted(filter->endpoint());
  REQUIRE(passes(peer.mail({"<ann@far.example>"})));
  for (const std::string& code : kCodes) {
    const std::string number = code.substr(0, 3);
    CHECK(said(peer.rcpt({fmt::format("<c{}@here.example>", number)})) ==
          fmt::format("{} code {}", code, number));
  }
  CHECK(said(peer.rcpt({"<bob@here.example>"})) == "continue");
}

TEST_CASE("answers: a refusal comes at the step of its rule, the others go on") {
  SluiceFilter filter({kStages, kNoId});
  const auto& endpoint = filter->endpoint();
  // The MTAs answer greeting and HELO themselves: what is refused there may be said at MAIL.
  SECTION("connect, at the latest at MAIL") {
    MilterPeer peer = attached(endpoint);
    std::string refusal = said(peer.connect({"refused.far.example"}));
    if (refusal == "continue") {
      REQUIRE(passes(peer.helo("mail.far.example")));
      refusal = said(peer.mail({"<ann@far.example>"}));
    }
    CHECK(refusal == "554 5.7.1 at connect");
  }
  SECTION("helo, at the latest at MAIL") {
    MilterPeer peer = attached(endpoint);
    REQUIRE(passes(peer.connect()));
    std::string refusal = said(peer.helo("refused.far.example"));
    if (refusal == "continue") refusal = said(peer.mail({"<ann@far.example>"}));
    CHECK(refusal == "504 5.5.2 at helo");
    CHECK(said(peer.helo("mail.far.example")) == "continue");
    CHECK(said(peer.mail({"<ann@far.example>"})) == "continue");
  }
  SECTION("unknown command") {
    MilterPeer peer = greeted(endpoint);
    CHECK(said(peer.unknown("FROB nicate")) == "502 5.5.1 at command");
    CHECK(said(peer.unknown("HELP")) == "continue");
  }
  SECTION("mail, then a good transaction in the same session") {
    MilterPeer peer = greeted(endpoint);
    CHECK(said(peer.mail({"<refused@far.example>"})) == "510 5.1.8 at mail");
    CHECK(passes(deliver(peer, "<bob@here.example>", "minutes", "text")));
  }
  SECTION("rcpt: only that recipient") {
    MilterPeer peer = greeted(endpoint);
    REQUIRE(passes(peer.mail({"<ann@far.example>"})));
    CHECK(said(peer.rcpt({"<bob@here.example>"})) == "continue");
    CHECK(said(peer.rcpt({"<refused@here.example>"})) == "450 4.7.1 at rcpt");
    CHECK(said(peer.rcpt({"<carol@here.example>"})) == "continue");
  }
  SECTION("data: there or, so that no client is left waiting, before the message is taken") {
    MilterPeer peer = greeted(endpoint);
    REQUIRE(passes(peer.mail({"<ann@far.example>"})));
    REQUIRE(passes(peer.rcpt({"<data@here.example>"})));
    std::string refusal = said(peer.data());
    if (refusal == "continue") {
      REQUIRE(passes(peer.header("Subject", "minutes")));
      refusal = said(peer.end_of_headers());
    }
    CHECK(refusal == "554 5.7.1 at data");
    REQUIRE(peer.abort());
    CHECK(passes(deliver(peer, "<bob@here.example>", "minutes", "text")));
  }
  SECTION("headers: at the end of the headers or at the dot, nowhere else") {
    MilterPeer peer = greeted(endpoint);
    REQUIRE(passes(peer.mail({"<ann@far.example>"})));
    REQUIRE(passes(peer.rcpt({"<bob@here.example>"})));
    REQUIRE(passes(peer.data()));
    REQUIRE(passes(peer.header("Subject", " this is refused")));
    CHECK(said(peer.end_of_headers()) == "541 5.7.1 at headers");
  }
  SECTION("end, then a good message in the same session") {
    MilterPeer peer = greeted(endpoint);
    CHECK(said(deliver(peer, "<bob@here.example>", "minutes", "this is refused\r\n")) ==
          "550 5.7.1 at end");
    REQUIRE(peer.abort());
    CHECK(passes(deliver(peer, "<bob@here.example>", "minutes", "this is not\r\n")));
  }
  SECTION("421 with its own text") {
    MilterPeer peer = greeted(endpoint);
    CHECK(said(peer.mail({"<leave@far.example>"})) == "421 4.3.2 goodbye");
  }
}

TEST_CASE("answers: what connect, helo and mail refuse is said at RCPT unless asked otherwise") {
  SluiceFilter filter({R"(
sluice: 1
policy: late
rules:
  - rule: bad-name
    stage: helo
    when: helo.name == "refused.far.example"
    then: reject 504 5.5.2
    text: 'bad name'
)",
                       kNoId});
  MilterPeer peer = attached(filter->endpoint());
  REQUIRE(passes(peer.connect()));
  CHECK(passes(peer.helo("refused.far.example")));
  CHECK(passes(peer.mail({"<ann@far.example>"})));
  CHECK(said(peer.rcpt({"<bob@here.example>"})) == "504 5.5.2 bad name");
  CHECK(said(peer.rcpt({"<carol@here.example>"})) == "504 5.5.2 bad name");
}

TEST_CASE("answers: percent signs are doubled once, help is a line of its own") {
  SluiceFilter filter({R"(
sluice: 1
policy: text
defaults: {help: "https://postmaster.example.com/{rule}"}
rules:
  - rule: percent
    stage: rcpt
    when: rcpt.domain == "here.example"
    then: reject 550 5.7.1
    text: '100% sure, %s and %% for {rcpt.address}'
)",
                       kNoId});
  MilterPeer peer = greeted(filter->endpoint());
  REQUIRE(passes(peer.mail({"<ann@far.example>"})));
  CHECK(said(peer.rcpt({"<bob%n@here.example>"})) ==
        "550-5.7.1 100%% sure, %%s and %%%% for bob%%n@here.example\r\n"
        "550 5.7.1 https://postmaster.example.com/percent");
}

TEST_CASE("answers: a long text is wrapped into lines of one reply") {
  SluiceFilter filter({R"(
sluice: 1
policy: long
rules:
  - rule: long
    stage: rcpt
    when: rcpt.domain == "here.example"
    then: reject 550 5.7.1
    text: ')" +
                           [] {
                             std::string words;
                             for (int i = 0; i < 150; ++i)
                               words += "word" + std::to_string(i) + " ";
                             return words;
                           }() +
                           "'\n",
                       kNoId});
  MilterPeer peer = greeted(filter->endpoint());
  REQUIRE(passes(peer.mail({"<ann@far.example>"})));
  const std::string reply = said(peer.rcpt({"<bob@here.example>"}));
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < reply.size();) {
    const std::size_t end = std::min(reply.find("\r\n", at), reply.size());
    lines.push_back(reply.substr(at, end - at));
    at = end + 2;
  }
  REQUIRE(lines.size() >= 3);
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    CHECK(lines[i].substr(0, 10) == (i + 1 < lines.size() ? "550-5.7.1 " : "550 5.7.1 "));
    CHECK(lines[i].size() <= 410);
    text += lines[i].substr(10) + " ";
  }
  CHECK(text.find("word0 word1 ") == 0);
  CHECK(text.find("word148 word149") != std::string::npos);
}

TEST_CASE("answers: a refusal ends with its id, another one with another") {
  SluiceFilter filter({policy_of_all_codes(), ""});
  MilterPeer peer = greeted(filter->endpoint());
  REQUIRE(passes(peer.mail({"<ann@far.example>"})));
  const std::string first = said(peer.rcpt({"<c550@here.example>"}));
  const std::string second = said(peer.rcpt({"<c550@here.example>"}));
  const std::regex form(R"(550 5\.7\.1 code 550 \(id [0-9A-Z]{6}\))");
  CHECK(std::regex_match(first, form));
  CHECK(std::regex_match(second, form));
  CHECK(first != second);
}

TEST_CASE("answers: nothing that a client says breaks out of the reply line") {
  SluiceFilter filter({R"(
sluice: 1
policy: echo
rules:
  - rule: echo
    stage: rcpt
    when: rcpt.domain == "here.example" or not rcpt.valid
    then: reject 550 5.7.1
    text: 'no {rcpt.localpart} here'
)",
                       kNoId});
  MilterPeer peer = greeted(filter->endpoint());
  REQUIRE(passes(peer.mail({"<ann@far.example>"})));
  for (const std::string& address :
       {"<bob\r\n250 ok@here.example>"s, "<bob\n@here.example>"s, "<\x01\x1b[31m@here.example>"s,
        "<gr\xc3\xbc\xc3\x9f@here.example>"s, "<\xff\xfe@here.example>"s,
        "<" + std::string(3000, 'b') + "@here.example>", "<%s%n%1000c@here.example>"s}) {
    const std::string reply = said(peer.rcpt({address}));
    INFO(reply);
    CHECK(reply.substr(0, 13) == "550 5.7.1 no ");
    CHECK(reply.size() <= 420);
    for (const char c : reply) CHECK((c >= ' ' && c < '\x7f'));
    const auto percents = static_cast<std::size_t>(std::count(reply.begin(), reply.end(), '%'));
    CHECK(sluice::peer::undouble_percent(reply).size() + percents / 2 == reply.size());
  }
}

TEST_CASE("answers: quarantine, discard and headers come at the dot") {
  SluiceFilter filter({R"(
sluice: 1
policy: edits
rules:
  - rule: mark
    stage: headers
    when: subject.text contains "marked"
    then: header X-Sluice = "yes"
  - rule: hold
    stage: end
    when: subject.text contains "held"
    then: quarantine "looks odd"
  - rule: drop
    stage: end
    when: subject.text contains "dropped"
    then: discard
)",
                       kNoId});
  MilterPeer peer = greeted(filter->endpoint());
  SECTION("a header is added") {
    const auto answer = deliver(peer, "<bob@here.example>", "a marked one", "text\r\n");
    REQUIRE(passes(answer));
    REQUIRE(answer->edits.size() == 1);
    CHECK(answer->edits[0].code == AnswerCode::InsertHeader);
    REQUIRE(answer->edits[0].texts.size() == 2);
    CHECK(answer->edits[0].texts[0] == "X-Sluice");
    // With HDR_LEADSPC the blank behind the colon is the filter's own.
    CHECK(answer->edits[0].texts[1].substr(answer->edits[0].texts[1].find_first_not_of(' ')) ==
          "yes");
  }
  SECTION("a message is held with its reason") {
    const auto answer = deliver(peer, "<bob@here.example>", "a held one", "text\r\n");
    REQUIRE(passes(answer));
    REQUIRE(answer->edits.size() == 1);
    CHECK(answer->edits[0].code == AnswerCode::Quarantine);
    REQUIRE(answer->edits[0].texts.size() == 1);
    CHECK(answer->edits[0].texts[0] == "looks odd");
  }
  SECTION("a message is dropped") {
    CHECK(said(deliver(peer, "<bob@here.example>", "a dropped one", "text\r\n")) == "discard");
  }
  SECTION("any other is left as it is") {
    const auto answer = deliver(peer, "<bob@here.example>", "minutes", "text\r\n");
    REQUIRE(passes(answer));
    CHECK(answer->edits.empty());
  }
}
