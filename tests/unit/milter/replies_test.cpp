#include <catch2/catch.hpp>

#include "milter/replies.h"

namespace sluice::milter {

namespace {
WireReply wire(int code, const char* status, const char* text, mail::Action action) {
  mail::Verdict verdict;
  verdict.action = action;
  verdict.reply = *mail::Reply::make(code, *mail::EnhancedStatus::parse(status), text);
  return to_wire(verdict);
}
}  // namespace

TEST_CASE("replies: 5yz goes out with REJECT, 4yz and 421 with TEMPFAIL") {
  CHECK(wire(550, "5.7.1", "no", mail::Action::Reject).disposition == Disposition::Reject);
  CHECK(wire(450, "4.7.1", "later", mail::Action::Defer).disposition == Disposition::Tempfail);
  CHECK(wire(421, "4.3.2", "closing", mail::Action::Disconnect).disposition == Disposition::Tempfail);
}

TEST_CASE("replies: every percent sign is doubled, or libmilter drops the text") {
  CHECK(wire(552, "5.3.4", "100% full, %s", mail::Action::Reject).lines == std::vector<std::string>{"100%% full, %%s"});
}

TEST_CASE("replies: nothing to say is nothing on the wire") {
  const WireReply reply = to_wire({});
  CHECK(reply.disposition == Disposition::Continue);
  CHECK(reply.code.empty());
  mail::Verdict discard;
  discard.action = mail::Action::Discard;
  CHECK(to_wire(discard).disposition == Disposition::Discard);
}

}  // namespace sluice::milter
