// What scanners are given of a message, when they are asked, and what their answers come to.
#include <random>

#include "engine/message_text.h"
#include "engine_fixture.h"

using namespace sluice;
using namespace sluice::engine;

namespace {

// Keeps what it is given; answers at once, later, or never.
template <class Answer>
class FakeScanner final : public backends::Scanner<Answer> {
 public:
  Answer answer;
  bool answers = true;
  std::size_t most = ~std::size_t{0};  // held before it asks for a pause
  int begun = 0, asked = 0, dropped = 0;
  std::string got;
  std::shared_ptr<const backends::ScanEnvelope> envelope;
  std::function<void()> wake;

  std::unique_ptr<backends::Scan<Answer>> begin(
      std::shared_ptr<const backends::ScanEnvelope> of) override {
    ++begun;
    got.clear();
    envelope = std::move(of);
    return std::make_unique<One>(*this);
  }

 private:
  class One final : public backends::Scan<Answer> {
   public:
    explicit One(FakeScanner& of) : of_(of) {}
    ~One() override { ++of_.dropped; }
    bool feed(std::string bytes) override {
      of_.got += bytes;
      return true;
    }
    bool await_room(std::function<void()> wake) override {
      if (of_.got.size() < of_.most) return false;
      of_.wake = std::move(wake);
      return true;
    }
    void finish(TimePoint, std::function<void(Answer)> done) override {
      ++of_.asked;
      if (of_.answers) done(of_.answer);
    }

   private:
    FakeScanner& of_;
  };
};

constexpr const char* kSpamRule = R"(
rules:
  - rule: away
    stage: end
    when: spam.score is unknown
    then: defer 471
  - rule: spam
    stage: end
    when: spam.score >= 15
    unless: sender.domain == "friend.example"
    then: reject 541
)";
constexpr const char* kVirusRule = R"(
rules:
  - rule: virus
    stage: end
    when: virus.found
    on_unknown: defer
    then: reject 554
)";

struct Scanned : Filter {
  explicit Scanned(const std::string& rules) : Filter(rules) {
    services.spam = &spam;
    services.virus = &virus;
  }
  FakeScanner<backends::SpamAnswer> spam;
  FakeScanner<backends::VirusAnswer> virus;
};

std::string cut_at_random(std::string_view text, unsigned seed) {
  std::mt19937 random(seed);
  CrlfText crlf;
  std::string out;
  while (!text.empty()) {
    const std::size_t n = std::min<std::size_t>(text.size(), random() % 4);
    out += crlf.next(text.substr(0, n));
    text.remove_prefix(n);
  }
  return out + crlf.end();
}

}  // namespace

TEST_CASE("line ends are CR LF for the scanner, wherever the pieces are cut") {
  CHECK(cut_at_random("a\r\nb\nc\rd\r\n\r\n.\r", 0) == "a\r\nb\r\nc\r\nd\r\n\r\n.\r\n");
  const std::string text = "\r\r\n\n\r\nx\ry\n\r\r";
  const std::string whole = cut_at_random(text, 1);
  CHECK(whole == "\r\n\r\n\r\n\r\nx\r\ny\r\n\r\n\r\n");
  for (unsigned seed = 2; seed < 200; ++seed) CHECK(cut_at_random(text, seed) == whole);
}

TEST_CASE(
    "a scanner is given the message as it will be delivered, and what is known of the session") {
  Scanned filter(kSpamRule);
  filter.spam.answer = {true, 1.5, "no action", {}};
  Client client(filter, "203.0.113.9", "ann");
  REQUIRE(client.send() == "250");
  CHECK(filter.spam.got ==
        "Received: from mail.far.example (mail.far.example [203.0.113.9])\r\n"
        "\tby unknown (Sluice) with ESMTPA id Q1; Fri, 4 Oct 2024 00:00:00 +0000\r\n"
        "From: ann@far.example\r\nSubject: hello\r\n\r\ntext\r\n");
  CHECK(filter.spam.envelope->client_ip == "203.0.113.9");
  CHECK(filter.spam.envelope->login == "ann");
  CHECK(filter.spam.envelope->recipients == std::vector<std::string>{"<bob@example.com>"});
  CHECK(filter.virus.begun == 0);  // no rule asks for it
}

TEST_CASE("a scanner is asked once for a message, whatever the number of rules and recipients") {
  Scanned filter(kSpamRule);
  filter.spam.answer = {true, 15, "", {}};
  Client client(filter);
  client.connect();
  client.helo();
  for (int i = 1; i <= 2; ++i) {
    client.mail();
    for (const char* rcpt : {"<a@example.com>", "<b@example.com>", "<c@example.com>"})
      REQUIRE(client.rcpt(rcpt) == "250");
    client.data();
    CHECK(client.end() == "541 5.7.1 spam");
    CHECK(filter.spam.asked == i);
    CHECK(filter.spam.dropped == i);
  }
}

TEST_CASE(
    "a scanner that is away is unknown, and one without an answer is when the deadline passes") {
  Scanned filter(kSpamRule);
  CHECK(Client(filter).send() == "471 4.3.0 away");
  filter.spam.answers = false;
  Client client(filter);
  client.connect();
  client.helo();
  client.mail();
  client.rcpt("<bob@example.com>");
  client.data();
  client.session->end_of_headers();
  Progress progress = client.session->end_of_message("Q1");
  REQUIRE_FALSE(progress.has_value());
  progress = client.session->resume(true);
  REQUIRE(progress.has_value());
  CHECK(told(*progress) == "471 4.3.0 away");
  Scanned viral(kVirusRule);
  CHECK(Client(viral).send() == "451 4.3.0 virus");
}

TEST_CASE("the body is not kept for a scanner, only for rules that read it") {
  CHECK_FALSE(compile_text(kVirusRule)->keeps_body());
  CHECK(compile_text(kVirusRule)->needs_body());
  CHECK(compile_text("rules:\n  - rule: r\n    stage: end\n    when: body.text contains \"x\"\n"
                     "    then: reject 554\n")
            ->keeps_body());
  CHECK_FALSE(compile_text("rules:\n  - rule: r\n    stage: end\n    when: msg.size > 1MB\n"
                           "    then: reject 523\n")
                  ->keeps_body());
}

TEST_CASE("the front end is told to wait while a scanner holds as much as it may") {
  Scanned filter(kVirusRule);
  filter.virus.answer = {true, std::nullopt};
  filter.virus.most = 1000;
  Client client(filter);
  client.connect();
  client.helo();
  client.mail();
  client.rcpt("<bob@example.com>");
  client.data();
  client.session->end_of_headers();
  CHECK_FALSE(client.session->body("short"));
  CHECK(client.session->body(std::string(2000, 'x')));
  CHECK_FALSE(client.session->round().wait(Duration{1}));
  CHECK(client.session->deadline() == filter.clock.now() + filter.services.deadline);
  filter.virus.most = ~std::size_t{0};
  filter.virus.wake();
  CHECK(client.session->round().wait(Duration{1}));
  filter.clock.advance(Duration{58'000});  // counts as waited for this message
  CHECK_FALSE(client.session->body("the rest"));
  const Progress progress = client.session->end_of_message("Q1");
  REQUIRE(progress.has_value());
  CHECK(told(*progress) == "250");
  CHECK(client.session->deadline() == filter.clock.now() + Duration{2'000});
}

TEST_CASE("a message that is reset, or refused before its end, is taken back from the scanner") {
  Scanned filter(kSpamRule);
  Client client(filter);
  client.connect();
  client.helo();
  client.mail();
  client.rcpt("<bob@example.com>");
  client.data();
  client.session->end_of_headers();
  client.session->body("x");
  client.session->abort();
  CHECK(filter.spam.dropped == 1);
  CHECK(filter.spam.asked == 0);
}

TEST_CASE("engine own: spam.score is the policy's own score") {
  Filter filter(R"(
rules:
  - score: at-helo
    stage: helo
    when: helo.name contains "far"
    add: 4
  - score: subject
    stage: headers
    when: subject.text contains "hello"
    add: 3.5
  - score: never
    stage: end
    when: subject.text contains "nothing of the kind"
    add: 100
  - rule: points
    stage: end
    when: spam.score > 0 and spam.action is none
    then: header X-Spam = "{spam.score} {spam.symbols}"
  - rule: spam
    stage: end
    when:
      - spam.score == score
      - spam.score >= 7.5
      - any(spam.symbols, item == "subject")
    then: reject 541
)");
  filter.services.own_spam = true;
  CHECK(Client(filter).send() == "541 5.7.1 spam");
  filter.given.values["spam.score"] = policy::Value(1.0);
  Client client(filter);
  CHECK(client.send() == "250");
  REQUIRE(client.last.verdict.edits.size() == 1);
  CHECK(client.last.verdict.edits[0].value.find("at-helo") != std::string::npos);
}
