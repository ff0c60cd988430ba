#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "app/decision_log.h"

namespace sluice::app {

namespace {
engine::DecisionRecord refusal() {
  engine::DecisionRecord r;
  r.sid = "01J";
  r.stage = mail::Stage::Rcpt;
  r.verdict.action = mail::Action::Defer;
  r.verdict.reply = *mail::Reply::make(450, *mail::EnhancedStatus::parse("4.7.1"), "come back");
  r.rule = "first-contact";
  r.from = "ann@far.example";
  r.to = "bob@example.com";
  r.duration_us = 412;
  return r;
}
}  // namespace

TEST_CASE("decision log: one line, fixed names, nothing that is empty") {
  CHECK(logfmt_line(refusal()) ==
        "ev=decision sid=01J stage=rcpt act=defer code=450 ecode=4.7.1 rule=first-contact mode=enforce from=ann@far.example "
        "to=bob@example.com dur_us=412 msg=\"come back\"");
}

TEST_CASE("decision log: hostile text never makes a second line or a second field") {
  auto r = refusal();
  r.from = "a\" rule=forged\nev=decision \x1b[31m\xe2\x80\xae@x";
  r.helo = std::string("nul\0byte", 8);
  const std::string line = logfmt_line(r);
  CHECK(line.find('\n') == std::string::npos);
  CHECK(line.find('\x1b') == std::string::npos);
  CHECK(line.find('\0') == std::string::npos);
  CHECK(line.find("\\\" rule=forged") != std::string::npos);
}

TEST_CASE("decision log: JSON is JSON whatever the bytes") {
  auto r = refusal();
  r.from = "\xff\xfe\"\n";
  const auto json = nlohmann::json::parse(json_line(r), nullptr, false);
  REQUIRE(json.is_object());
  CHECK(json["code"] == 450);
  CHECK(json["rule"] == "first-contact");
  CHECK(json["qid"].is_null());
}

TEST_CASE("decision log: a continue has a line only when it has something to tell") {
  engine::DecisionRecord r;
  r.stage = mail::Stage::Rcpt;
  CHECK_FALSE(is_worth_a_line(r));
  r.would = {{"no-rdns", 550, "5.7.25"}};
  CHECK(is_worth_a_line(r));
  r.would.clear();
  r.exempt = {"no-rdns by trusted-hosts"};
  CHECK(is_worth_a_line(r));
  r.exempt.clear();
  r.stage = mail::Stage::End;
  CHECK(is_worth_a_line(r));
}

}  // namespace sluice::app
