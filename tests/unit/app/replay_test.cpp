// Mail of the past against policies: rulings, summary, comparison, suggested limits, the command.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "app/commands.h"
#include "app/replay_player.h"
#include "app/replay_suggest.h"
#include "app/replay_summary.h"
#include "app/service.h"
#include "base/text.h"
#include "facts/fact.h"
#include "policy/policy_source.h"

namespace sluice::app {
namespace {

policy::ProgramPtr compile_text(const std::string& text) {
  Diagnostics diagnostics;
  const auto source = policy::load_policy_text("test.yaml", text, diagnostics);
  auto program = policy::compile(source, facts::built_in_vocabulary(), {}, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(diagnostics.ok());
  return program;
}

policy::ProgramPtr rules(const std::string& text) {
  return compile_text("sluice: 1\npolicy: test\nrules:\n" + text);
}

const TimePoint kStart = *parse_datetime("2026-10-01T10:00Z");

ReplayEvent mail_of(Duration after, const std::string& client, const std::string& from,
                    const std::vector<std::string>& to) {
  ReplayEvent event;
  event.at = kStart + after;
  event.connection.client_ip = IpAddress::parse(client);
  event.connection.client_name = "unknown";
  event.connection.resolve = mail::ClientResolve::NoName;
  event.sender = from;
  for (const std::string& one : to) event.recipients.push_back({one, {}, false});
  return event;
}

ReplayEvent login_mail(Duration after, const std::string& user, int recipients) {
  std::vector<std::string> to;
  for (int i = 0; i < recipients; ++i) to.push_back("r" + std::to_string(i) + "@far.example");
  ReplayEvent event = mail_of(after, "198.51.100.1", user + "@example.com", to);
  event.login = mail::Login{user, "PLAIN"};
  return event;
}

std::string answers(const std::vector<Ruling>& rulings) {
  std::string text;
  for (const Ruling& one : rulings)
    text += (text.empty() ? "" : ", ") + one.answer() + (one.rule.empty() ? "" : " " + one.rule);
  return text;
}

// A folder that is gone when the test is.
struct Folder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("sluice-replay-test-" + std::to_string(::getpid()));
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name) << text;
    return (path / name).string();
  }
};

struct Run {
  int code;
  std::string out, err;
};
Run replay(ReplayOptions options) {
  options.no_progress = true;
  std::ostringstream out, err;
  const int code = replay_command(options, out, err);
  return {code, out.str(), err.str()};
}

constexpr const char* kLog =
    "2026-10-01T10:00:00+00:00 mx postfix/smtpd[7]: connect from unknown[203.0.113.9]\n"
    "2026-10-01T10:00:01+00:00 mx postfix/smtpd[7]: 4AAAAAAAAA: client=unknown[203.0.113.9]\n"
    "2026-10-01T10:00:01+00:00 mx postfix/qmgr[1]: 4AAAAAAAAA: from=<ann@far.example>, size=900, "
    "nrcpt=2 (queue active)\n"
    "2026-10-01T10:00:02+00:00 mx postfix/lmtp[2]: 4AAAAAAAAA: to=<bob@example.com>, relay=x, "
    "status=sent (ok)\n"
    "2026-10-01T10:00:02+00:00 mx postfix/lmtp[2]: 4AAAAAAAAA: to=<abuse@example.com>, relay=x, "
    "status=sent (ok)\n"
    "2026-10-01T10:00:03+00:00 mx postfix/smtpd[7]: disconnect from unknown[203.0.113.9]\n"
    "2026-10-01T10:05:00+00:00 mx postfix/smtpd[8]: connect from mail.ok.example[203.0.113.10]\n"
    "2026-10-01T10:05:01+00:00 mx postfix/smtpd[8]: NOQUEUE: reject: RCPT from "
    "mail.ok.example[203.0.113.10]: 450 4.2.0 later; "
    "from=<cy@ok.example> to=<bob@example.com> proto=ESMTP helo=<mail.ok.example>\n"
    "2026-10-01T10:05:02+00:00 mx postfix/smtpd[8]: disconnect from "
    "mail.ok.example[203.0.113.10]\n";

constexpr const char* kStrict =
    "sluice: 1\npolicy: strict\nrules:\n"
    "  - rule: no-rdns\n    stage: rcpt\n    when: client.rdns is none and not rcpt.localpart == "
    "\"abuse\"\n    then: reject 550 5.7.25\n"
    "  - rule: plain-helo\n    stage: helo\n    when: not helo.is_fqdn\n    then: reject 550 "
    "5.7.1\n"
    "  - rule: cy\n    stage: mail\n    mode: shadow\n    when: sender.localpart == \"cy\"\n    "
    "then: reject 541\n";
constexpr const char* kLax =
    "sluice: 1\npolicy: lax\nrules:\n  - rule: cy\n    stage: mail\n    when: sender.localpart == "
    "\"cy\"\n    then: reject 541\n";

}  // namespace

TEST_CASE("replay: each recipient gets its own ruling, limits count in simulated time") {
  ReplayPlayer player(rules("  - limit: rate\n    stage: rcpt\n    key: client.ip\n    count: "
                            "recipients\n    max: 2/1h\n"),
                      {});
  CHECK(answers(player.play(mail_of(Duration{0}, "203.0.113.9", "a@b.example",
                                    {"x@example.com", "y@example.com", "z@example.com"}))) ==
        "continue, continue, defer 450 4.7.28 rate");
  CHECK(answers(player.play(mail_of(Duration{1'800'000}, "203.0.113.9", "a@b.example",
                                    {"x@example.com"}))) == "defer 450 4.7.28 rate");
  CHECK(answers(player.play(mail_of(Duration{3'700'000}, "203.0.113.9", "a@b.example",
                                    {"x@example.com"}))) == "continue");
}

TEST_CASE("replay: what the log does not tell is unknown, not none") {
  const auto program = rules(
      "  - rule: helo\n    stage: helo\n    when: helo.name is none\n    then: reject 550 5.7.1\n"
      "  - rule: plain\n    stage: mail\n    when: not tls.active\n    then: reject 550 5.7.1\n"
      "  - rule: no-subject\n    stage: headers\n    when: header(\"Subject\") is none\n    then: "
      "reject 550 5.7.1\n"
      "  - rule: few\n    stage: end\n    when: received.count < 1\n    then: reject 550 5.7.1\n"
      "  - rule: big\n    stage: end\n    when: msg.size > 1MB\n    then: reject 552 5.3.4\n");
  ReplayPlayer player(program, {});
  ReplayEvent event = mail_of(Duration{0}, "203.0.113.9", "a@b.example", {"x@example.com"});
  CHECK(answers(player.play(event)) == "continue");
  CHECK(player.unknown().count("tls.active(unsupported)") == 1);
  event.size = 2 << 20;
  CHECK(answers(player.play(event)) == "reject 552 5.3.4 big");
  event.size = 100;
  event.has_content = true;
  CHECK(answers(player.play(event)) == "reject 550 5.7.1 no-subject");
  event.headers = {{"Subject", "x"}, {"Received", "from y"}};
  CHECK(answers(player.play(event)) == "continue");
  event.tls = mail::Tls{};
  CHECK(answers(player.play(event)) == "reject 550 5.7.1 plain");
}

TEST_CASE("replay: a refused attempt in the log is tried, but does not count as a message") {
  ReplayPlayer player(rules("  - limit: rate\n    stage: mail\n    key: client.ip\n    count: "
                            "messages\n    max: 1/1h\n"),
                      {});
  ReplayEvent refused = mail_of(Duration{0}, "203.0.113.9", "a@b.example", {"x@example.com"});
  refused.recipients[0].refusal = "450 4.7.1 later";
  CHECK(answers(player.play(refused)) == "continue");
  CHECK(answers(player.play(mail_of(Duration{1000}, "203.0.113.9", "a@b.example",
                                    {"x@example.com"}))) == "continue");
  CHECK(answers(player.play(mail_of(Duration{2000}, "203.0.113.9", "a@b.example",
                                    {"x@example.com"}))) == "defer 450 4.7.28 rate");
}

TEST_CASE("replay: sessions that are never closed make room") {
  ReplayPlayer player(rules("  - rule: never\n    stage: mail\n    when: sender.is_null\n    then: "
                            "reject 550 5.7.1\n"),
                      {});
  for (int i = 0; i < 2'500; ++i) {
    ReplayEvent event = mail_of(Duration{i}, "203.0.113.9", "a@b.example", {"x@example.com"});
    event.session = "s" + std::to_string(i);
    player.play(event);
  }
  CHECK(player.open_sessions() <= ReplayPlayer::kMaxOpenSessions);
  CHECK(player.sessions() == 2'500);
}

TEST_CASE("replay: the suggested limits refuse nothing of the log, one less refuses something") {
  std::mt19937 random(7);
  std::vector<ReplayEvent> events;
  Duration time{0};
  for (int i = 0; i < 1'500; ++i) {
    time += Duration{static_cast<std::int64_t>(random() % 120'000)};
    if (random() % 2 == 0) {
      events.push_back(login_mail(time, "user" + std::to_string(random() % 10),
                                  1 + static_cast<int>(random() % 5)));
    } else {
      events.push_back(mail_of(time, "203.0.113." + std::to_string(random() % 20),
                               "s@d" + std::to_string(random() % 9) + ".example",
                               {"bob@example.com"}));
    }
  }
  LimitSuggestion suggestion;
  for (const ReplayEvent& event : events) suggestion.add(event);
  const std::string yaml = suggestion.yaml();
  const auto refused = [&](const std::string& policy) {
    ReplayPlayer player(compile_text(policy), {});
    ReplaySummary summary;
    for (const ReplayEvent& event : events) summary.add(event, player.play(event));
    return summary.refused();
  };
  CHECK(refused(yaml) == 0);
  int tried = 0;
  for (const LimitCandidate& candidate : suggestion.candidates()) {
    const auto peaks = candidate.peaks();
    for (std::size_t i = 0; i < peaks.size(); ++i) {
      const std::string unit = i == 0 ? "/1m" : i == 1 ? "/1h" : "/1d";
      const std::string less = std::to_string(peaks[i].most() - 1) + unit;
      CHECK(refused("sluice: 1\npolicy: less\nrules:\n  - limit: less\n    stage: " +
                    std::string(candidate.kind().stage) + "\n    when: " + candidate.kind().when +
                    "\n    key: " + candidate.kind().key + "\n    count: " +
                    (candidate.kind().counts_recipients ? "recipients" : "messages") +
                    "\n    max: " + less + "\n") > 0);
      ++tried;
    }
  }
  CHECK(tried == 21);
}

TEST_CASE("replay: percentiles are of keys") {
  PeakCounts peaks;
  for (int i = 1; i <= 100; ++i) peaks.add(i);
  CHECK(peaks.percentile(0.5) == 50);
  CHECK(peaks.percentile(0.99) == 99);
  CHECK(peaks.most() == 100);
  CHECK(PeakCounts().percentile(0.5) == 0);
}

TEST_CASE("replay: keys without use make room, and the most stays") {
  LimitSuggestion suggestion;
  for (int i = 0; i < 3; ++i) suggestion.add(login_mail(Duration{i}, "busy", 4));
  for (int i = 0; i < 40'000; ++i)
    suggestion.add(login_mail(Duration{10'000LL * i}, "user" + std::to_string(i), 1));
  const LimitCandidate& logins = suggestion.candidates().front();
  CHECK(logins.keys() == 40'001);
  CHECK(logins.peaks()[2].most() == 12);
  CHECK(logins.busiest(2) == "busy");
  CHECK_FALSE(logins.is_cut_short());
}

TEST_CASE("replay: the summary says which rule refuses what, and what was accepted then") {
  const Folder folder;
  ReplayOptions options;
  options.config = folder.write("strict.yaml", kStrict);
  options.sources = {folder.write("mail.log", kLog)};
  const Run run = replay(options);
  INFO(run.out << run.err);
  CHECK(run.code == kOk);
  CHECK(run.out.substr(run.out.find('\n') + 1) ==
        "2 messages, 3 recipients, 2026-10-01T10:00:01Z to 2026-10-01T10:05:01Z\n"
        "in the log: 2 accepted, 1 refused\n"
        "\n"
        "with this policy, recipients\n"
        "  passed                              2  66.67%\n"
        "  refused for good (5yz)              1  33.33%\n"
        "\n"
        "by rule\n"
        "  no-rdns: reject 550 5.7.25 to 1 recipients (1 accepted then), 1 senders, 1 clients\n"
        "    2026-10-01T10:00:01Z  203.0.113.9  <ann@far.example> -> <bob@example.com>\n"
        "\n"
        "shadow rules: 12 decisions since 2026-10-01T10:00:00Z by strict#" +
            run.out.substr(run.out.find("by strict#") + 10, 4) +
            "\n"
            "\n"
            "cy: would have answered 541 5.7.1 to 1, from 1 senders and 1 clients\n"
            "    2026-10-01T10:05:01Z  203.0.113.10  <cy@ok.example> -> <bob@example.com>\n"
            "\n"
            "not known here, so that conditions with it did not match\n"
            "  helo.is_fqdn(unsupported): 1 times\n");
}

TEST_CASE("replay: against another policy only what changes is shown") {
  const Folder folder;
  ReplayOptions options;
  options.config = folder.write("strict.yaml", kStrict);
  options.against = folder.write("lax.yaml", kLax);
  options.sources = {folder.write("mail.log", kLog)};
  options.json = true;
  const Run run = replay(options);
  INFO(run.out << run.err);
  REQUIRE(run.code == kOk);
  const auto json = nlohmann::json::parse(run.out)["against"];
  CHECK(json["same"] == 1);
  CHECK(json["changed"] == 2);
  REQUIRE(json["newly_refused"].size() == 1);
  CHECK(json["newly_refused"][0]["rule"] == "no-rdns");
  CHECK(json["newly_refused"][0]["accepted_then"] == 1);
  CHECK(json["newly_refused"][0]["samples"][0]["to"] == "bob@example.com");
  REQUIRE(json["no_longer_refused"].size() == 1);
  CHECK(json["no_longer_refused"][0]["rule"] == "cy");
  CHECK(json["no_longer_refused"][0]["accepted_then"] == 0);
}

TEST_CASE("replay: what cannot be read and what cannot be loaded are told apart") {
  const Folder folder;
  const std::string policy = folder.write("strict.yaml", kStrict),
                    log = folder.write("mail.log", kLog);
  ReplayOptions options;
  options.config = policy;
  options.sources = {(folder.path / "missing.log").string()};
  CHECK(replay(options).code == kNoInput);
  options.sources = {folder.write("other.txt", "hello\n")};
  CHECK(replay(options).code == kNoInput);
  options.sources = {
      folder.write("empty.log", "2026-10-01T10:00:00+00:00 mx postfix/qmgr[1]: hello\n")};
  CHECK(replay(options).code == kNoInput);
  options.sources = {log};
  options.config = folder.write("broken.yaml",
                                "sluice: 1\npolicy: x\nrules:\n  - rule: x\n    stage: mail\n    "
                                "when: sender.domian == 1\n    then: reject 541\n");
  const Run broken = replay(options);
  CHECK(broken.code == kConfig);
  CHECK(broken.err.find("E202") != std::string::npos);
}

TEST_CASE("replay: a folder of messages and an mbox are played with their content") {
  const Folder folder;
  const std::string message =
      "Return-Path: <a@b.example>\nDelivered-To: bob@example.com\nReceived: from h (n.example "
      "[203.0.113.9]) by mx; Thu, 1 Oct 2026 10:00:00 +0000\n"
      "Subject: cheap pills\n\nbody\n";
  folder.write("one.eml", message);
  ReplayOptions options;
  options.config =
      folder.write("pills.yaml",
                   "sluice: 1\npolicy: p\nrules:\n  - rule: pills\n    stage: headers\n    when: "
                   "subject.text contains \"pills\"\n    then: reject 541\n");
  options.json = true;
  options.sources = {folder.path.string(),
                     folder.write("box", "From a@b.example Thu Oct  1 10:00:00 2026\n" + message +
                                             "\nFrom c Thu\n" + message)};
  const Run run = replay(options);
  INFO(run.out << run.err);
  REQUIRE(run.code == kOk);
  const auto summary = nlohmann::json::parse(run.out)["summary"];
  CHECK(summary["messages"] == 3);
  CHECK(summary["rejected"] == 3);
  CHECK(summary["rules"][0]["rule"] == "pills");
}

}  // namespace sluice::app
