// TestDialogue: one SMTP session of a policy test as its player sees it. In memory
// (smtp_dialogue.h), or through a real MTA (mta_dialogue.h).
#pragma once
#include <memory>
#include <string>

#include "app/test_player.h"

namespace sluice::app {

struct TestWorld;
struct GivenForSession;

class TestDialogue {
 public:
  virtual ~TestDialogue() = default;
  // What the client sees for exactly this command. CONNECT tells the greeting again.
  virtual StepOutcome play(const std::string& command) = 0;
  // Not empty: the session cannot be played (its message cannot be read, the MTA is not there).
  virtual const std::string& wrong() const = 0;
  // Not empty: this way cannot present the session, or what comes next in it; it is skipped.
  virtual const std::string& skipped() const = 0;
};

// Begins the sessions of tests. `has_ptr_in_dns`: the client's name is looked up in the given DNS.
class DialogueSource {
 public:
  virtual ~DialogueSource() = default;
  virtual std::unique_ptr<TestDialogue> begin(TestWorld& world, GivenForSession& given,
                                              const TestSession& spec, const std::string& folder,
                                              bool has_ptr_in_dns) = 0;
};

}  // namespace sluice::app
