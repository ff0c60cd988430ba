// What the readers make of logs and mailboxes.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <ctime>

#include "app/log_time.h"
#include "app/replay_decision_log.h"
#include "app/replay_mail_file.h"
#include "app/replay_postfix_log.h"

namespace sluice::app {
namespace {

using Kind = ReplayEvent::Kind;

std::vector<ReplayEvent> all_of(ReplaySource& source) {
  std::vector<ReplayEvent> events;
  for (ReplayEvent event; source.next(event);) events.push_back(event);
  return events;
}

std::vector<ReplayEvent> transactions(const std::string& log) {
  PostfixLog source(std::make_unique<LineReader>(log));
  std::vector<ReplayEvent> events = all_of(source);
  std::erase_if(events, [](const ReplayEvent& event) { return event.kind != Kind::Transaction; });
  return events;
}

std::string at(const std::string& clock, const std::string& rest) {
  return "2026-10-01T" + clock + "+00:00 mx " + rest + "\n";
}

std::string recipients(const ReplayEvent& event) {
  std::string text;
  for (const ReplayRecipient& one : event.recipients)
    text += (text.empty() ? "" : " ") + one.address + (one.refusal.empty() ? "" : "!");
  return text;
}

}  // namespace

TEST_CASE("postfix log: a session and its message are put together from interleaved lines") {
  const std::string log =
      at("10:00:00", "postfix/submission/smtpd[7]: connect from host.example[203.0.113.9]") +
      at("10:00:01", "postfix/smtpd[8]: connect from unknown[2001:db8::1]") +
      at("10:00:01",
         "postfix/submission/smtpd[7]: Anonymous TLS connection established from "
         "host.example[203.0.113.9]: TLSv1.3 with cipher X (256/256 bits)") +
      at("10:00:02",
         "postfix/submission/smtpd[7]: 4AAAAAAAAA: client=host.example[203.0.113.9], "
         "sasl_method=PLAIN, sasl_username=ann@example.com") +
      at("10:00:02", "postfix/smtpd[8]: 4BBBBBBBBB: client=unknown[2001:db8::1]") +
      at("10:00:03", "postfix/cleanup[9]: 4AAAAAAAAA: message-id=<1@example.com>") +
      at("10:00:03", "postfix/qmgr[1]: 4BBBBBBBBB: from=<>, size=700, nrcpt=1 (queue active)") +
      at("10:00:04",
         "postfix/qmgr[1]: 4AAAAAAAAA: from=<ann@example.com>, size=1234, nrcpt=2 "
         "(queue active)") +
      at("10:00:05",
         "postfix/lmtp[3]: 4BBBBBBBBB: to=<bob@in.example>, orig_to=<info@example.com>, "
         "relay=x, status=sent (250 ok)") +
      at("10:00:05", "postfix/smtp[3]: 4AAAAAAAAA: to=<c@far.example>, relay=x, status=sent (ok)") +
      at("10:00:06", "postfix/smtp[3]: 4AAAAAAAAA: to=<d@far.example>, relay=x, status=sent (ok)") +
      at("10:00:07", "postfix/smtpd[8]: disconnect from unknown[2001:db8::1] ehlo=1") +
      at("10:00:07", "postfix/qmgr[1]: 4AAAAAAAAA: removed");
  PostfixLog source(std::make_unique<LineReader>(log));
  const auto events = all_of(source);
  REQUIRE(events.size() == 5);
  CHECK(events[0].kind == Kind::Connect);
  CHECK(events[1].kind == Kind::Connect);
  const ReplayEvent& first = events[2];
  CHECK(first.kind == Kind::Transaction);
  CHECK(first.session == events[0].session);
  CHECK(render_datetime(first.at) == "2026-10-01T10:00:02Z");
  CHECK(first.sender == "ann@example.com");
  CHECK(recipients(first) == "c@far.example d@far.example");
  CHECK(first.login->user == "ann@example.com");
  CHECK(first.size == 1234);
  CHECK(first.message_id == "<1@example.com>");
  CHECK(first.tls->version == "TLSv1.3");
  CHECK(*first.connection.server_port == 587);
  CHECK(first.connection.client_ptr == "host.example");
  CHECK(!first.helo);
  const ReplayEvent& second = events[3];
  CHECK(second.sender.empty());
  CHECK(recipients(second) == "info@example.com");
  CHECK(second.connection.resolve == mail::ClientResolve::NoName);
  CHECK_FALSE(second.tls->active);
  CHECK(events[4].kind == Kind::Disconnect);
  CHECK(events[4].session == second.session);
}

TEST_CASE("postfix log: refusals are attempts, with HELO; what the MTA refuses itself is marked") {
  const auto events = transactions(
      at("10:00:00", "postfix/smtpd[7]: connect from unknown[203.0.113.9]") +
      at("10:00:01",
         "postfix/smtpd[7]: NOQUEUE: reject: RCPT from unknown[203.0.113.9]: 550 5.1.1 "
         "<no@example.com>: Recipient address rejected: User unknown; from=<a@b.example> "
         "to=<no@example.com> proto=ESMTP helo=<pc>") +
      at("10:00:02",
         "postfix/smtpd[7]: NOQUEUE: milter-reject: RCPT from unknown[203.0.113.9]: 450 "
         "4.7.1 Greylisted; from=<> to=<bob@example.com> proto=ESMTP helo=<pc>") +
      at("10:00:03",
         "postfix/smtpd[7]: NOQUEUE: reject: CONNECT from unknown[203.0.113.9]: 554 no; "
         "proto=SMTP"));
  REQUIRE(events.size() == 2);
  CHECK(events[0].helo == "pc");
  CHECK(events[0].sender == "a@b.example");
  CHECK(recipients(events[0]) == "no@example.com!");
  CHECK(events[0].recipients[0].is_unknown_to_mta);
  CHECK(events[1].sender.empty());
  CHECK_FALSE(events[1].recipients[0].is_unknown_to_mta);
  CHECK(events[1].recipients[0].refusal == "450 4.7.1 Greylisted");
  CHECK_FALSE(events[1].was_accepted());
}

TEST_CASE("postfix log: a milter's refusal at the end of the message is one of the whole message") {
  const auto events =
      transactions(at("10:00:00", "postfix/smtpd[7]: ABCDEF01: client=a.example[203.0.113.9]") +
                   at("10:00:01",
                      "postfix/cleanup[8]: ABCDEF01: milter-reject: END-OF-MESSAGE from "
                      "a.example[203.0.113.9]: 5.7.1 spam; from=<a@a.example> to=<b@example.com> "
                      "proto=ESMTP helo=<a.example>"));
  REQUIRE(events.size() == 1);
  CHECK(events[0].refusal == "5.7.1 spam");
  CHECK(recipients(events[0]) == "b@example.com");
  CHECK(events[0].helo == "a.example");
}

TEST_CASE("postfix log: a queue id that comes again is a new message") {
  std::string log;
  for (const char* hour : {"10", "11"}) {
    log +=
        at(std::string(hour) + ":00:00",
           "postfix/smtpd[7]: ABCDEF01: client=a.example[203.0.113.9]") +
        at(std::string(hour) + ":00:01", std::string("postfix/qmgr[1]: ABCDEF01: from=<a") + hour +
                                             "@a.example>, size=1, nrcpt=2 (queue active)") +
        at(std::string(hour) + ":00:02",
           "postfix/local[2]: ABCDEF01: to=<b@example.com>, relay=local");
  }
  const auto events = transactions(log);
  REQUIRE(events.size() == 2);
  CHECK(events[0].sender == "a10@a.example");
  CHECK(events[1].sender == "a11@a.example");
  CHECK(events[1].recipients_not_told == 1);
}

TEST_CASE("postfix log: messages that never end do not pile up, whatever comes") {
  std::string log;
  for (int i = 0; i < 60'000; ++i)
    log += at("10:00:00", "postfix/smtpd[" + std::to_string(i) + "]: connect from x[203.0.113.9]") +
           at("10:00:00", "postfix/smtpd[" + std::to_string(i) + "]: A" +
                              std::to_string(100'000 + i) + ": client=x[203.0.113.9]");
  PostfixLog source(std::make_unique<LineReader>(std::move(log)));
  std::size_t most = 0, sessions = 0;
  for (ReplayEvent event; source.next(event);) {
    most = std::max(most, source.open_events());
    sessions = std::max(sessions, source.open_sessions());
  }
  CHECK(most <= PostfixLog::kMaxOpen + 1);
  CHECK(sessions <= PostfixLog::kMaxSessions);
  CHECK(source.counts().incomplete == 60'000);
}

TEST_CASE(
    "postfix log: mail of the host itself and back from a content filter is left out and counted") {
  PostfixLog source(std::make_unique<LineReader>(
      at("10:00:00", "postfix/smtpd[7]: ABCDEF01: client=localhost[127.0.0.1]") +
      at("10:00:00",
         "postfix/smtpd[7]: ABCDEF02: client=f[192.0.2.1], orig_queue_id=X, "
         "orig_client=y[203.0.113.9]") +
      at("10:00:00", "postfix/pickup[7]: ABCDEF03: uid=0 from=<root>") +
      at("10:00:00",
         "postfix/postscreen[7]: NOQUEUE: reject: RCPT from [203.0.113.9]:1: 550 5.7.1 x; "
         "from=<a>, to=<b>, proto=SMTP, helo=<c>")));
  CHECK(all_of(source).empty());
  CHECK(source.counts().local == 3);
  CHECK(source.counts().early == 1);
}

TEST_CASE("log time: a log without years ends before its file does, and the year turns") {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  const auto modified = std::chrono::duration_cast<std::chrono::seconds>(
                            parse_datetime("2026-01-03T00:00Z")->time_since_epoch())
                            .count();
  LogTime time(modified);
  const auto read = [&time](std::string_view line) {
    return render_datetime(time.take(line).value_or(TimePoint{}));
  };
  CHECK(read("Dec 31 23:59:59 mx a") == "2025-12-31T23:59:59Z");
  CHECK(read("Jan  1 00:00:01 mx a") == "2026-01-01T00:00:01Z");
  CHECK(read("Dec 31 23:59:58 mx late") == "2025-12-31T23:59:58Z");
  CHECK(read("Jan  2 00:00:00 mx a") == "2026-01-02T00:00:00Z");
  CHECK(read("2026-11-25T10:00:00.25+01:00 mx a") == "2026-11-25T09:00:00.250Z");
  std::string_view none = "Foo 99 10:00:00 mx a";
  CHECK_FALSE(time.take(none));
  CHECK(none == "Foo 99 10:00:00 mx a");
}

TEST_CASE("decision log: refusals and delivered messages of both forms are events") {
  DecisionLogSource source(std::make_unique<LineReader>(
      "2026-10-01T10:00:00.000Z ev=decision sid=S1 stage=rcpt act=reject code=550 ecode=5.7.1 "
      "rule=no client=203.0.113.9 "
      "ptr=unknown helo=pc from=<a@b.example> to=<\\\"x> dur_us=1 msg=\"No \\\"way\\\"\"\n"
      "2026-10-01T10:00:01.000Z ev=decision sid=S1 stage=rcpt act=continue client=203.0.113.9 "
      "would=x:550\n"
      "{\"ev\":\"decision\",\"at\":\"2026-10-01T10:00:02Z\",\"sid\":\"S2\",\"qid\":\"Q\",\"stage\":"
      "\"end\",\"act\":\"continue\","
      "\"client\":\"203.0.113.10\",\"ptr\":\"a.example\",\"helo\":null,\"from\":\"<>\",\"to\":\"<c@"
      "d.example>,<e@d.example>,+3\","
      "\"auth\":\"ann\",\"size\":512.0}\n"
      "something else\n"));
  const auto events = all_of(source);
  REQUIRE(events.size() == 2);
  CHECK(events[0].session == "S1");
  CHECK(events[0].sender == "a@b.example");
  CHECK(events[0].recipients[0].refusal == "550 5.7.1 No \"way\"");
  CHECK(events[0].connection.resolve == mail::ClientResolve::NoName);
  CHECK(recipients(events[1]) == "c@d.example e@d.example");
  CHECK(events[1].recipients_not_told == 3);
  CHECK(events[1].size == 512);
  CHECK(events[1].login->user == "ann");
  CHECK(!events[1].helo);
  CHECK(events[1].connection.client_ptr == "a.example");
}

TEST_CASE("kept message: client, time and envelope come from the trace of the own MTA") {
  const std::string text =
      "Return-Path: <ann@far.example>\r\nDelivered-To: bob@example.com\r\n"
      "Received: from helo.example (mail.far.example [203.0.113.9])\r\n\t(using TLSv1.3 with "
      "cipher X (256/256 bits))\r\n"
      "\tby mx.example.com (Postfix) with ESMTPS id 4A for <bob@example.com>;\r\n\tThu, 1 Oct 2026 "
      "12:00:00 +0200 (CEST)\r\n"
      "Received: from inside by mail.far.example; Thu, 1 Oct 2026 09:59:00 +0000\r\n"
      "From: Ann <ann@far.example>\r\nTo: bob@example.com\r\nSubject: hello\r\n\r\nbody\r\n";
  ReplayEvent event;
  REQUIRE(event_of_message(text, TimePoint{}, event));
  CHECK(event.helo == "helo.example");
  CHECK(event.connection.client_ip->to_string() == "203.0.113.9");
  CHECK(event.connection.client_ptr == "mail.far.example");
  CHECK(event.tls->version == "TLSv1.3");
  CHECK(render_datetime(event.at) == "2026-10-01T10:00:00Z");
  CHECK(event.sender == "ann@far.example");
  CHECK(recipients(event) == "bob@example.com");
  REQUIRE(event.headers.size() == 4);
  CHECK(event.headers[0].name == "Received");
  CHECK(event.body == "body\r\n");
  CHECK(event.has_content);
}

TEST_CASE("line reader: long lines are cut, the next one is whole") {
  LineReader lines(std::string(200'000, 'a') + "\r\nb\n\nc");
  std::string_view line;
  REQUIRE(lines.next(line));
  CHECK(line.size() == LineReader::kMaxLine);
  REQUIRE(lines.next(line));
  CHECK(line == "b");
  REQUIRE(lines.next(line));
  CHECK(line.empty());
  REQUIRE(lines.next(line));
  CHECK(line == "c");
  CHECK_FALSE(lines.next(line));
  CHECK(lines.position() == lines.length());
}

}  // namespace sluice::app
