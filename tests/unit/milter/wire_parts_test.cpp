// The pieces of the wire engine by themselves: frames, what an MTA sends, macros, agreements, answers.
#include <catch2/catch.hpp>

#include "milter/agreement.h"
#include "milter/frame.h"
#include "milter/session_macros.h"
#include "milter/wire_answers.h"
#include "milter/wire_requests.h"

namespace sluice::milter::wire {

using namespace std::string_literals;

namespace {

std::string value_of(const SessionMacros& macros, const char* name) {
  const char* value = macros.macro(name);
  return value != nullptr ? value : "(none)";
}

std::string written(const Agreement& agreement, const mail::Edit& edit, int count = 0) {
  std::string out;
  AnswerWriter(agreement, out).edit(edit, [count](std::string_view) { return count; });
  return out;
}

Agreement all_of(std::uint32_t steps = 0) {
  Agreement agreement;
  agreement.version = 6;
  agreement.actions = 0x1ff;
  agreement.steps = steps;
  return agreement;
}

std::string frame_of(char code, std::string_view body) {
  std::string out;
  append_frame(out, code, body);
  return out;
}

}  // namespace

TEST_CASE("frame: a length decides before anything else has come") {
  Frame frame;
  for (const std::string& broken : {"\0\0\0\0"s, "\xff\xff\xff\xff"s, "\0\1\0\1"s}) {
    std::string_view bytes = broken;
    CHECK(take_frame(bytes, kMaxFrame, frame) == FrameState::Broken);
  }
  for (const std::string& partial : {""s, "\0\0"s, "\0\1\0\0"s, "\0\0\0\3ab"s}) {
    std::string_view bytes = partial;
    CHECK(take_frame(bytes, kMaxFrame, frame) == FrameState::Partial);
    CHECK(bytes == partial);
  }
  const std::string held = "\0\1\0\1"s;
  std::string_view larger = held;
  CHECK(take_frame(larger, kMaxFrame256K, frame) == FrameState::Partial);
}

TEST_CASE("frame: frames come off the front one by one") {
  const std::string two = frame_of('M', "<a>\0"s) + frame_of('T', "");
  std::string_view bytes = two;
  Frame frame;
  REQUIRE(take_frame(bytes, kMaxFrame, frame) == FrameState::Whole);
  CHECK(frame.command == 'M');
  CHECK(frame.body == "<a>\0"s);
  REQUIRE(take_frame(bytes, kMaxFrame, frame) == FrameState::Whole);
  CHECK(frame.command == 'T');
  CHECK(frame.body.empty());
  CHECK(bytes.empty());
}

TEST_CASE("requests: clients of every family, and what is none") {
  const std::string body = "mail.far.example\0" "4\0\x19" "192.0.2.7\0"s;
  const auto v4 = parse_client(body);
  REQUIRE(v4);
  CHECK(v4->name == "mail.far.example");
  CHECK(v4->address == IpAddress::parse("192.0.2.7"));
  CHECK(v4->port == 25);
  CHECK(parse_client("x\0" "6\0\x19" "IPv6:2001:db8::7\0"s)->address ==
        IpAddress::parse("2001:db8::7"));
  CHECK_FALSE(parse_client("localhost\0U"s)->address);
  CHECK_FALSE(parse_client("localhost\0L\0\0/run/x.sock\0"s)->address);
  for (const std::string& wrong :
       {""s, "host"s, "host\0"s, "host\0X"s, "host\0Umore"s, "host\0" "4"s, "host\0" "4\0\x19"s,
        "host\0" "4\0\x19" "192.0.2.7"s, "host\0" "4\0\x19" "2001:db8::7\0"s,
        "host\0" "6\0\x19" "192.0.2.7\0"s, "host\0" "4\0\x19" "192.0.2.7\0more"s})
    CHECK_FALSE(parse_client(wrong));
}

TEST_CASE("requests: half a text is no text") {
  const std::string line = "FROB nicate\0"s, empty = "\0"s, header = "Subject\0 minutes\0"s;
  CHECK(parse_text(line) == "FROB nicate");
  CHECK(parse_text(empty) == "");
  for (const std::string& wrong : {""s, "FROB"s, "FR\0OB\0"s, "FROB\0more"s})
    CHECK_FALSE(parse_text(wrong));
  CHECK(parse_header(header)->value == " minutes");
  CHECK(parse_header("Subject\0\0"s)->value == "");
  for (const std::string& wrong : {""s, "Subject"s, "Subject\0"s, "Subject\0min"s, "\0min\0"s,
                                   "Subject\0min\0utes\0"s})
    CHECK_FALSE(parse_header(wrong));
}

TEST_CASE("requests: an address and its parameters, at most a hundred") {
  const std::string body = "<ann@far.example>\0SIZE=1200\0BODY=8BITMIME\0"s;
  const auto arguments = parse_arguments(body);
  REQUIRE(arguments);
  CHECK(arguments->address == "<ann@far.example>");
  CHECK(arguments->parameters == std::vector<std::string_view>{"SIZE=1200", "BODY=8BITMIME"});
  std::string many = "<a>\0"s;
  for (int i = 0; i < 1000; ++i) many += "X=1\0"s;
  CHECK(parse_arguments(many)->parameters.size() == kMaxParameters);
  CHECK_FALSE(parse_arguments(""));
  CHECK_FALSE(parse_arguments("<a>"));
  CHECK_FALSE(parse_arguments("<a>\0SIZE"s));
}

TEST_CASE("macros: the latest stage that has a name answers, and stages end") {
  SessionMacros macros;
  macros.take(MacroStage::Connect, "j\0mx\0{client_resolve}\0OK\0unread\0x\0"s);
  macros.take(MacroStage::Mail, "i\0Q1\0{auth_authen}\0alice\0"s);
  CHECK(value_of(macros, "j") == "mx");
  CHECK(value_of(macros, "{j}") == "mx");
  CHECK(value_of(macros, "unread") == "(none)");
  CHECK(value_of(macros, "i") == "Q1");
  macros.take(MacroStage::Rcpt, "{i}\0Q2\0"s);
  CHECK(value_of(macros, "i") == "Q2");
  macros.take(MacroStage::Rcpt, "{rcpt_mailer}\0local\0"s);
  CHECK(value_of(macros, "i") == "Q1");
  macros.forget_from(MacroStage::Mail);
  CHECK(value_of(macros, "{auth_authen}") == "(none)");
  CHECK(value_of(macros, "j") == "mx");
  macros.forget_from(MacroStage::Connect);
  CHECK(macros.bytes() == 0);
}

TEST_CASE("macros: what the connect step alone reads is gone behind it") {
  SessionMacros macros;
  macros.take(MacroStage::Connect, "j\0mx\0{client_name}\0mail.far.example\0{tls_version}\0TLSv1.3\0"s);
  macros.take(MacroStage::Helo, "{cipher_bits}\0" "256\0"s);
  macros.forget_client();
  CHECK(value_of(macros, "j") == "(none)");
  CHECK(value_of(macros, "{client_name}") == "(none)");
  CHECK(value_of(macros, "{tls_version}") == "TLSv1.3");
  CHECK(value_of(macros, "{cipher_bits}") == "256");
  CHECK(macros.bytes() < 60);
}

TEST_CASE("macros: nothing is left of those that an idle session has no use for") {
  SessionMacros macros;
  macros.take(MacroStage::Connect, "j\0mx.site.example\0{client_name}\0mail.far.example\0"s);
  macros.forget_client();
  CHECK(macros.room() <= std::string().capacity());
  macros.take(MacroStage::Mail, "{auth_type}\0PLAIN\0{auth_authen}\0somebody@site.example\0"s);
  macros.forget_from(MacroStage::Mail);
  CHECK(macros.room() <= std::string().capacity());
}

TEST_CASE("macros: a broken list gives what it has, and no more than a cap") {
  SessionMacros macros;
  macros.take(MacroStage::Mail, "i"s);
  CHECK(value_of(macros, "i") == "");
  macros.take(MacroStage::Mail, "\0x\0i\0cut"s);
  CHECK(value_of(macros, "i") == "cut");
  std::string many;
  for (int i = 0; i < 10'000; ++i) many += "i\0value\0"s;
  macros.take(MacroStage::Mail, many + "j\0"s + std::string(60'000, 'v'));
  CHECK(macros.bytes() < 20'000);
  macros.take(MacroStage::Mail, "j\0"s + std::string(60'000, 'v'));
  CHECK(value_of(macros, "j").size() == 1'024);
}

TEST_CASE("agreement: nothing is taken that was not offered") {
  for (const std::uint32_t steps : {0u, 0x7fu, 0x1fffffu, 0xffffffffu}) {
    for (const std::uint32_t actions : {0u, 0x3fu, 0x1ffu}) {
      const auto agreement = agree({6, actions, steps}, Steps{});
      REQUIRE(agreement);
      CHECK((agreement->steps & ~steps) == 0);
      CHECK((agreement->actions & ~actions) == 0);
    }
  }
  CHECK_FALSE(agree({1, 0x1ff, 0x1fffff}, Steps{}));
  CHECK(agree({2, 0x3f, 0x7f}, Steps{})->version == 2);
  CHECK(agree({99, 0x1ff, 0x1fffff}, Steps{})->version == kVersion);
}

TEST_CASE("agreement: the larger chunks that are offered, and the cap with them") {
  CHECK(agree({6, 0x1ff, 0x1fffff}, Steps{})->max_frame == kMaxFrame);
  CHECK(agree({6, 0x1ff, 0x101fffff}, Steps{})->max_frame == kMaxFrame256K);
  CHECK(agree({6, 0x1ff, 0x301fffff}, Steps{})->max_frame == kMaxFrame1M);
}

TEST_CASE("answers: a silent step has none, whatever the verdict") {
  const WireReply refusal{Disposition::Reject, "550", "5.7.1", {"no"}};
  for (const std::uint32_t silent :
       {step::kSilentConnect, step::kSilentHelo, step::kSilentMail, step::kSilentRcpt,
        step::kSilentData, step::kSilentUnknown, step::kSilentHeader, step::kSilentEndOfHeaders,
        step::kSilentBody}) {
    std::string out;
    AnswerWriter(all_of(silent), out).finish(silent, refusal);
    CHECK(out.empty());
    AnswerWriter(all_of(~silent), out).finish(silent, refusal);
    CHECK_FALSE(out.empty());
  }
}

TEST_CASE("answers: a reply has its code and status on every line") {
  std::string out;
  AnswerWriter(all_of(), out)
      .finish(0, {Disposition::Reject, "550", "5.7.1", {"first", "second"}});
  CHECK(out == frame_of('y', "550-5.7.1 first\r\n550 5.7.1 second\0"s));
  out.clear();
  AnswerWriter(all_of(), out).finish(0, {Disposition::Tempfail, {}, {}, {}});
  CHECK(out == frame_of('t', ""));
}

TEST_CASE("answers: an edit is written when the MTA takes its action") {
  using Kind = mail::Edit::Kind;
  struct Row {
    mail::Edit edit;
    std::string out;
  };
  const std::vector<Row> rows = {
      // Inserted beyond the last one: kBehindAllFields is 0x186a0.
      {{Kind::AddHeader, "X-A", "yes", 0}, frame_of('i', "\0\1\x86\xa0X-A\0yes\0"s)},
      {{Kind::InsertHeader, "X-A", "yes", 2}, frame_of('i', "\0\0\0\2X-A\0yes\0"s)},
      {{Kind::SetHeader, "X-A", "yes", 0}, frame_of('m', "\0\0\0\1X-A\0yes\0"s)},
      {{Kind::RemoveHeader, "X-A", "", 3}, frame_of('m', "\0\0\0\3X-A\0\0"s)},
      {{Kind::RemoveHeader, "X-A", "", 0},
       frame_of('m', "\0\0\0\2X-A\0\0"s) + frame_of('m', "\0\0\0\1X-A\0\0"s)},
      {{Kind::AddRecipient, "<bob@x>", "", 0}, frame_of('+', "<bob@x>\0"s)},
      {{Kind::RemoveRecipient, "<bob@x>", "", 0}, frame_of('-', "<bob@x>\0"s)},
      {{Kind::SetSender, "<ann@x>", "", 0}, frame_of('e', "<ann@x>\0"s)},
      {{Kind::Quarantine, "held", "", 0}, frame_of('q', "held\0"s)},
      {{Kind::Footer, "", "body", 0}, frame_of('b', "body")}};
  for (const Row& row : rows) {
    INFO(static_cast<int>(row.edit.kind));
    CHECK(written(all_of(), row.edit, 2) == row.out);
    Agreement nothing = all_of();
    nothing.actions = 0;
    CHECK(written(nothing, row.edit, 2).empty());
  }
  CHECK(written(all_of(step::kHeaderLeadingSpace), rows[0].edit) ==
        frame_of('i', "\0\1\x86\xa0X-A\0 yes\0"s));
}

TEST_CASE("answers: a large body goes in pieces, a value too long for a frame not at all") {
  using Kind = mail::Edit::Kind;
  const std::string body(150'000, 'x');
  CHECK(written(all_of(), {Kind::Footer, "", body, 0}).size() == body.size() + 3 * 5);
  CHECK(written(all_of(), {Kind::AddHeader, "X-A", body, 0}).empty());
}

}  // namespace sluice::milter::wire
