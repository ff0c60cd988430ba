// The evidence of shadow rules, from decisions and from a decision log.
#include "app/shadow_evidence.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "app/commands.h"
#include "app/decision_log.h"
#include "app/progress_bar.h"
#include "app/service.h"
#include "base/text.h"

namespace sluice::app {
namespace {

engine::DecisionRecord decision(const std::string& policy, const std::string& from,
                                const std::string& client, std::vector<engine::Would> would) {
  engine::DecisionRecord record;
  record.at = *parse_datetime("2026-10-01T10:00Z");
  record.policy = policy;
  record.stage = mail::Stage::Rcpt;
  record.from = from;
  record.to = "<bob@example.com>";
  record.client = client;
  record.would = std::move(would);
  return record;
}

}  // namespace

TEST_CASE("shadow evidence: counts, senders, clients, answers and samples of different senders") {
  ShadowEvidence evidence;
  for (int i = 0; i < 10; ++i)
    evidence.decided(decision("p@1#aaaa", "<s" + std::to_string(i % 7) + "@a.example>",
                              "203.0.113." + std::to_string(i % 3),
                              {{"strict", i < 8 ? 550 : 450, i < 8 ? "5.7.1" : "4.7.1"}}));
  evidence.decided(decision("p@1#aaaa", "<x@a.example>", "203.0.113.1", {}));
  const auto snapshot = evidence.snapshot();
  CHECK(snapshot.decisions == 11);
  const RuleEvidence& rule = snapshot.rules.at("strict");
  CHECK(rule.count() == 10);
  CHECK(rule.senders().count() == 7);
  CHECK(rule.clients().count() == 3);
  CHECK(rule.answers_text() == "450 4.7.1 (2), 550 5.7.1 (8)");
  CHECK(rule.samples().size() == RuleEvidence::kMaxSamples);
  const ControlReply reply = render_shadow(snapshot, {"quiet", "strict"});
  CHECK(reply.text.find("quiet: would have refused nothing\n") != std::string::npos);
  CHECK(reply.text.find("strict: would have answered 450 4.7.1 (2), 550 5.7.1 (8) to 10, from 7 "
                        "senders and 3 clients\n") != std::string::npos);
  const auto json = nlohmann::json::parse(reply.json);
  CHECK(json["rules"].size() == 2);
  CHECK(json["rules"][1]["count"] == 10);
}

TEST_CASE(
    "shadow evidence: a new generation starts anew, old sessions do not bring the old one back") {
  ShadowEvidence evidence;
  const auto would = std::vector<engine::Would>{{"strict", 550, "5.7.1"}};
  evidence.decided(decision("p@1#aaaa", "<a@a.example>", "203.0.113.1", would));
  evidence.decided(decision("p@2#bbbb", "<a@a.example>", "203.0.113.1", would));
  evidence.decided(decision("p@1#aaaa", "<a@a.example>", "203.0.113.1", would));
  const auto snapshot = evidence.snapshot();
  CHECK(snapshot.policy == "p@2#bbbb");
  CHECK(snapshot.rules.at("strict").count() == 1);
}

TEST_CASE("shadow evidence: many senders are more than so many, many rules are cut") {
  ShadowEvidence evidence;
  for (std::size_t i = 0; i < DistinctCount::kMaxDistinct + 5; ++i)
    evidence.decided(decision("p", "<s" + std::to_string(i) + "@a.example>", "203.0.113.1",
                              {{"strict", 550, ""}}));
  CHECK(evidence.snapshot().rules.at("strict").senders().text() == "more than 10,000");
  for (std::size_t i = 0; i < ShadowEvidence::kMaxRules + 5; ++i)
    evidence.decided(decision("p", "<>", "203.0.113.1", {{"r" + std::to_string(i), 550, ""}}));
  CHECK(evidence.snapshot().rules.size() == ShadowEvidence::kMaxRules);
}

TEST_CASE("shadow: a decision log in both forms gives the evidence that the service has") {
  const auto path = std::filesystem::temp_directory_path() /
                    ("sluice-shadow-test-" + std::to_string(::getpid()) + ".log");
  ShadowEvidence live;
  {
    std::ofstream log(path);
    for (int i = 0; i < 6; ++i) {
      auto record = decision("p@1#aaaa", "<s" + std::to_string(i) + "@a.example>", "203.0.113.1",
                             {{"strict", 550, "5.7.1"}, {"gl", 450, "4.7.1"}});
      live.decided(record);
      if (i % 2 == 0)
        log << "2026-10-01T10:00:00.000Z " << logfmt_line(record) << "\n";
      else
        log << json_line(record) << "\n";
    }
  }
  ShadowOptions options;
  options.from = path.string();
  std::ostringstream out, err;
  CHECK(shadow_command(options, out, err) == kOk);
  CHECK(out.str() == render_shadow(live.snapshot(), {}).text);
  std::filesystem::remove(path);
  CHECK(shadow_command(options, out, err) == kNoInput);
}

TEST_CASE("progress bar: share and time left when the length is known, else what was done") {
  using std::chrono::milliseconds;
  CHECK(progress_line(50, 100, 1234, milliseconds(10'000)) ==
        "[###############---------------]  50%  1,234 messages, 10 s left");
  CHECK(progress_line(50, 0, 7, milliseconds(2'000)) == "7 messages, 2 s");
  CHECK(progress_line(0, 100, 0, milliseconds(0)) ==
        "[------------------------------]   0%  0 messages");
  std::ostringstream out;
  {
    ProgressBar bar(out, false);
    CHECK_FALSE(bar.is_due());
  }
  CHECK(out.str().empty());
}

}  // namespace sluice::app
