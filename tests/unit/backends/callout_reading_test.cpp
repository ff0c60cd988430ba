#include "backends/callout_reading.h"

#include <catch2/catch.hpp>

using namespace sluice;
using namespace sluice::backends;

namespace {

SmtpOutcome replied(SmtpPhase phase, const std::string& line) {
  SmtpOutcome outcome{phase, SmtpEnd::Replied, {}};
  const std::string bytes = line + "\r\n";
  std::string_view rest = bytes;
  SmtpReplyParser parser;
  REQUIRE(parser.take(rest, outcome.reply) == SmtpReplyParser::Found::Reply);
  return outcome;
}
std::string read(SmtpPhase phase, const std::string& line) {
  return std::string(callout_status_name(read_callout(replied(phase, line)).status));
}
std::string read_rcpt(const std::string& line) { return read(SmtpPhase::Rcpt, line); }

}  // namespace

TEST_CASE("callout: every 2yz to RCPT is a yes") {
  for (const char* line : {"250 2.1.5 Ok", "251 2.1.5 will forward", "252 2.1.5 cannot verify"})
    CHECK(read_rcpt(line) == "accepted");
}

TEST_CASE("callout: only a refusal of the recipient itself is a no") {
  for (const char* line :
       {"550 5.1.1 no such user", "550 5.1.0 address rejected", "550 5.1.2 no such domain here",
        "553 5.1.3 bad syntax", "551 5.1.6 moved", "556 5.1.10 null MX", "550 5.2.1 disabled",
        "550 5.4.1 Recipient address rejected: Access denied", "550 No such user",
        "510 bad address", "511 bad address", "512 no such domain", "551 user not local",
        "553 no such mailbox", "550 Unrouteable address",
        "550 sorry, no mailbox here by that name. (#5.1.1)", "550 5.0.0 user unknown"}) {
    INFO(line);
    CHECK(read_rcpt(line) == "refused");
  }
}

TEST_CASE("callout: a refusal of the one who asks is not a no") {
  for (const char* line :
       {"550 5.7.1 relaying denied", "554 5.7.1 blocked by a list", "550 5.7.23 SPF",
        "550 5.7.25 no reverse DNS", "550 5.1.8 the sender's domain", "553 5.1.7 sender syntax",
        "550 relay not permitted", "550 Administrative prohibition", "550 Sender verify failed",
        "550 Your IP is on a DNSBL", "554 no", "530 5.7.0 Must issue a STARTTLS command first",
        "535 5.7.8 login", "503 5.5.1 bad sequence", "500 5.5.2 syntax", "541 5.7.1 spam",
        "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", "550 5.4.6 loop",
        "523 5.3.4 too big"}) {
    INFO(line);
    CHECK(read_rcpt(line) == "undecided");
  }
}

TEST_CASE("callout: a full mailbox is there") {
  CHECK(read_rcpt("552 5.2.2 mailbox full") == "temporary");
  CHECK(read_rcpt("552 quota exceeded") == "temporary");
  CHECK(read_rcpt("452 4.2.2 over quota") == "temporary");
  CHECK(read_rcpt("422 4.2.2 over quota") == "temporary");
}

TEST_CASE("callout: 4yz is temporary, but greylisting of the one who asks says nothing") {
  for (const char* line : {"450 4.2.0 busy", "451 4.3.0 local error", "452 4.3.1 no space",
                           "421 4.3.2 closing", "431 4.3.1 x", "441 4.4.1 no answer",
                           "442 4.4.2 dropped", "450 4.1.1 look-up failed", "450 later"}) {
    INFO(line);
    CHECK(read_rcpt(line) == "temporary");
  }
  for (const char* line : {"450 4.7.1 greylisted", "451 4.7.1 try again", "450 4.2.0 Greylisted",
                           "450 4.2.0 see http://postgrey.schweikert.ch/help/"}) {
    INFO(line);
    CHECK(read_rcpt(line) == "undecided");
  }
}

TEST_CASE("callout: a refusal before RCPT is never about the address") {
  for (const SmtpPhase phase : {SmtpPhase::Greeting, SmtpPhase::Helo, SmtpPhase::Mail}) {
    CHECK(read(phase, "550 5.1.1 no such user") == "undecided");
    CHECK(read(phase, "554 5.7.1 no service") == "undecided");
    CHECK(read(phase, "521 5.3.2 no mail here") == "undecided");
    CHECK(read(phase, "421 4.3.2 too busy") == "temporary");
    CHECK(read(phase, "450 4.7.1 later") == "undecided");
    CHECK(read_callout(replied(phase, "550 no")).is_of_host);
  }
  CHECK_FALSE(read_callout(replied(SmtpPhase::Rcpt, "550 no")).is_of_host);
  CHECK(read(SmtpPhase::Rcpt, "354 go ahead") == "dropped");
  CHECK(read(SmtpPhase::Greeting, "354 go ahead") == "dropped");
}

TEST_CASE("callout: how a session without a reply ends") {
  const auto status = [](SmtpPhase phase, SmtpEnd end) {
    return std::string(callout_status_name(read_callout({phase, end, {}}).status));
  };
  CHECK(status(SmtpPhase::Connect, SmtpEnd::NotConnected) == "no_answer");
  CHECK(status(SmtpPhase::Greeting, SmtpEnd::Silent) == "no_answer");
  CHECK(status(SmtpPhase::Rcpt, SmtpEnd::Silent) == "no_answer");
  CHECK(status(SmtpPhase::Greeting, SmtpEnd::Dropped) == "dropped");
  CHECK(status(SmtpPhase::Rcpt, SmtpEnd::Dropped) == "dropped");
  CHECK(status(SmtpPhase::Helo, SmtpEnd::Malformed) == "dropped");
  CHECK(status(SmtpPhase::Helo, SmtpEnd::Unsayable) == "undecided");
  CHECK(describe_callout(replied(SmtpPhase::Rcpt, "550 5.1.1 who?")) == "rcpt: 550 5.1.1 who?");
}
