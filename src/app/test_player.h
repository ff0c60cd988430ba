// TestPlayer: plays one policy test: the MTA's part of each SMTP session, the filter behind it,
// virtual time, given DNS and facts, state in memory. No network, no threads.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "app/given_facts.h"
#include "app/test_suite.h"
#include "backends/state_store.h"
#include "engine/decision.h"
#include "mail/verdict.h"
#include "policy/program.h"

namespace sluice::app {

// What the client saw of one command, and the record of the filter's answer when it was asked.
struct StepOutcome {
  int code = 0;
  std::string status, text;
  bool quarantine = false, discard = false;
  std::vector<mail::Header> headers;  // as delivered, at END
  Duration delay{0};
  std::optional<engine::DecisionRecord> record;
};

struct StepFailure {
  std::string place;    // "policy.yaml:12"
  std::string session;  // "session 2", its name, the turn of a repeat
  std::string command;  // with {n} put in
  std::string expected, got;
  std::vector<engine::RuleTrace> trace;
};

// How often each rule came to what, over all tests.
struct RuleCoverage {
  std::size_t matched = 0, not_matched = 0, unknown = 0, exempted = 0;
};
using Coverage = std::map<std::string, RuleCoverage>;

struct TestOutcome {
  std::vector<StepFailure>
      failures;        // of the first session that failed: what follows depends on it
  std::string broken;  // not empty: the test cannot be played (a given value of no type)
  std::string skipped;                                 // not empty: why the rest could not be presented
  bool passed() const { return failures.empty() && broken.empty(); }
};

// `folder` is that of the test's file, with its slash.
class DialogueSource;

TestOutcome play_test(const policy::ProgramPtr& program, const PolicyTest& test,
                      const std::string& folder, DialogueSource& dialogues, Coverage& coverage);

// What is wrong with an outcome; empty: nothing.
std::string mismatch(const Expectation& expected, const StepOutcome& got, bool shadow);
// "451 4.7.1 rule=first-contact text=…"
std::string describe(const StepOutcome& outcome, bool shadow);

}  // namespace sluice::app
