// What a session asks of the callout, and what it does while there is no answer.
#include "backends/callout.h"
#include "engine_fixture.h"

using namespace sluice;
using namespace sluice::engine;
using backends::CalloutStatus;

namespace {

const char* const kPolicy = R"(
rules:
  - rule: sender-unknown
    stage: mail
    when: sender.address is set and sender.deliverable == refused
    then: reject 510 5.1.0
    text: "no"
  - rule: silent
    stage: rcpt
    when: rcpt.deliverable == no_answer
    then: defer 441 4.4.1
    text: "no"
  - rule: dropped
    stage: rcpt
    when: rcpt.deliverable == dropped
    then: defer 442 4.4.2
    text: "no"
  - rule: busy
    stage: rcpt
    when: rcpt.deliverable == temporary
    then: defer 450 4.2.0
    text: "no"
)";

// Keeps what it is asked until the test answers.
class LateCallout final : public backends::Callout {
 public:
  void ask(const backends::CalloutQuestion& question, TimePoint,
           backends::CalloutDone done) override {
    waiting.emplace_back(question.address(), std::move(done));
  }
  std::vector<std::pair<std::string, backends::CalloutDone>> waiting;
};

}  // namespace

TEST_CASE("callouts: what the servers say is answered, for the sender and for each recipient") {
  Filter filter(kPolicy);
  backends::GivenCallout callout;
  callout.add("ann@far.example", CalloutStatus::Accepted);
  callout.add("gone@far.example", CalloutStatus::Refused);
  callout.add("silent@example.com", CalloutStatus::NoAnswer);
  callout.add("dropped@example.com", CalloutStatus::Dropped);
  callout.add("busy@example.com", CalloutStatus::Temporary);
  filter.services.callout = &callout;
  CHECK(Client(filter).send("<bob@example.com>", "<gone@far.example>") ==
        "510 5.1.0 sender-unknown");
  Client client(filter);
  client.connect(), client.helo(), client.mail();
  CHECK(client.rcpt("<silent@example.com>") == "441 4.4.1 silent");
  CHECK(client.rcpt("<dropped@example.com>") == "442 4.4.2 dropped");
  CHECK(client.rcpt("<busy@example.com>") == "450 4.2.0 busy");
  CHECK(client.rcpt("<bob@example.com>") == "250");
}

TEST_CASE("callouts: nobody is asked about the null sender, nor when no rule wants to know") {
  Filter filter(kPolicy);
  backends::GivenCallout callout;
  filter.services.callout = &callout;
  CHECK(Client(filter).send("<postmaster>", "<>") == "250");
  CHECK(callout.asked == 0);
  Filter other(
      "rules:\n  - rule: r\n    stage: rcpt\n    when: rcpt.domain == \"x.example\"\n"
      "    then: reject 550 5.7.1\n    text: \"no\"\n");
  other.services.callout = &callout;
  CHECK(Client(other).send() == "250");
  CHECK(callout.asked == 0);
}

TEST_CASE("callouts: a refusal of us, our own limits and no callout at all are no refusals") {
  Filter filter(kPolicy);
  CHECK(Client(filter).send() == "250");  // not configured
  backends::GivenCallout callout;
  filter.services.callout = &callout;
  for (const auto status : {CalloutStatus::Undecided, CalloutStatus::Budget, CalloutStatus::Timeout,
                            CalloutStatus::ServFail}) {
    callout.add("ann@far.example", status);
    callout.add("bob@example.com", status);
    CHECK(Client(filter).send() == "250");
  }
}

TEST_CASE("callouts: a session goes on at its deadline, the answer is there for its next message") {
  Filter filter(kPolicy);
  LateCallout callout;
  filter.services.callout = &callout;
  Client client(filter);
  client.connect(), client.helo();
  mail::Envelope envelope;
  envelope.sender_path = "<gone@far.example>";
  CHECK_FALSE(client.session->mail_from(envelope, {}).has_value());
  REQUIRE(callout.waiting.size() == 1);
  CHECK(callout.waiting[0].first == "gone@far.example");
  // The deadline: the mail is not refused.
  CHECK(told(*client.session->resume(true)) == "250");
  client.session->abort();
  // Asked again while the same question is open: it is not asked twice, and the answer counts.
  CHECK_FALSE(client.session->mail_from(envelope, {}).has_value());
  CHECK(callout.waiting.size() == 1);
  callout.waiting[0].second({CalloutStatus::Refused, ""});
  CHECK(told(*client.session->resume(false)) == "250");  // told at RCPT
  mail::Recipient recipient;
  recipient.path = "<bob@example.com>";
  auto progress = client.session->rcpt_to(recipient, "Q1");
  if (!progress) progress = client.session->resume(true);
  CHECK(told(*progress) == "510 5.1.0 sender-unknown");
}

TEST_CASE("callouts: of one message only so many are asked") {
  Filter filter(kPolicy);
  backends::GivenCallout callout;
  filter.services.callout = &callout;
  Client client(filter);
  client.connect(), client.helo(), client.mail();
  for (int i = 0; i < facts::kMaxCallouts + 50; ++i) {
    const std::string address = std::to_string(i) + "@example.com";
    callout.add(address, CalloutStatus::NoAnswer);
    // The sender's is one of them.
    CHECK(client.rcpt("<" + address + ">") ==
          (i < facts::kMaxCallouts - 1 ? "441 4.4.1 silent" : "250"));
  }
  CHECK(callout.asked == facts::kMaxCallouts);
}
