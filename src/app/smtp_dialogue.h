// SmtpDialogue: one SMTP session of a policy test: what an MTA does with the client's commands, and
// the filter behind it. It takes what the client would see from the filter's answers, as the MTAs
// hand them on.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "app/given_facts.h"
#include "app/switched_store.h"
#include "app/test_dialogue.h"
#include "app/test_player.h"
#include "app/test_suite.h"
#include "backends/given_dns.h"
#include "backends/reference_store.h"
#include "engine/ledger.h"
#include "engine/local_limiter.h"
#include "engine/session.h"

namespace sluice::app {

inline constexpr std::string_view kServerName = "mx.example.com";

// Policy, clock and state of one test; sessions come and go.
struct TestWorld {
  explicit TestWorld(policy::ProgramPtr compiled)
      : program(std::move(compiled)), store(clock), local(clock), switched(store) {
    services.clock = &clock;
    services.store = &switched;
    services.local_store = &local;
    services.ledger = &ledger;
    services.settings.server_name = std::string(kServerName);
    services.trace = true;
    services.reply_id = false;
  }
  policy::ProgramPtr program;
  VirtualClock clock;
  backends::ReferenceStore store;
  engine::LocalLimiter local;
  SwitchedStore switched;
  engine::Ledger ledger;
  engine::Services services;
};

// What one session is given: facts, DNS, dynamic lists.
struct GivenForSession {
  GivenValues facts;
  backends::GivenDns dns;
  std::string wrong;  // the first value that fits nothing

  void refuse(const policy::Scalar& where, const std::string& what) {
    if (!wrong.empty()) return;
    const SourceSpan& span = where.begin;
    wrong = (span.file ? span.file->name() + ":" + std::to_string(span.line) + ": " : "") + what;
  }
};

// Threads: one. World and given outlive it.
class SmtpDialogue final : public TestDialogue {
 public:
  // `folder` is that of the test's file; `has_ptr_in_dns`: the client's name is looked up in the
  // given DNS.
  SmtpDialogue(TestWorld& world, GivenForSession& given, const TestSession& spec,
               const std::string& folder, bool has_ptr_in_dns);
  ~SmtpDialogue() override;

  StepOutcome play(const std::string& command) override;
  const std::string& wrong() const override;
  const std::string& skipped() const override;  // never

 private:
  class State;
  std::unique_ptr<State> state_;
};

// The sessions of tests in memory.
class SmtpDialogues final : public DialogueSource {
 public:
  std::unique_ptr<TestDialogue> begin(TestWorld& world, GivenForSession& given,
                                      const TestSession& spec, const std::string& folder,
                                      bool has_ptr_in_dns) override {
    return std::make_unique<SmtpDialogue>(world, given, spec, folder, has_ptr_in_dns);
  }
};

}  // namespace sluice::app
