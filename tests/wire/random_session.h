// random_session.h - sessions as an MTA plays them, drawn at random, with what the filter must answer.
//
// The policy below is known to the generator: it says for each frame which answer is due. A session
// is legal (an honest MTA might send it) up to and without its `broken` step, if it has one: there
// something comes that no MTA sends, out of order or malformed. The same seed gives the same
// sessions on every host. Not thread-safe.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "milter_peer/protocol.h"

namespace sluice::wire_test {

// Takes every step.
extern const char* const kPlayedPolicy;

struct PlayedStep {
  peer::Event event = peer::Event::Connect;
  bool is_asked = true;    // an event that is answered unless it is silent; else macros, abort, K
  std::string bytes;       // macros and frame
  std::string answer;      // letter of the last frame that is due; a reply: 'y' and its text
  std::string edits;       // letters of the edits in front of it, if the MTA takes them all
};

struct PlayedSession {
  std::vector<PlayedStep> steps;  // from connect on
  bool is_broken = false;         // the last step is what no MTA sends
};

// What was agreed: steps that do not come, steps without an answer.
struct PlayedAgreement {
  std::uint32_t steps = 0;
  std::uint32_t actions = peer::kAllActions;
};

class RandomSessions {
 public:
  explicit RandomSessions(std::uint32_t seed) : random_(seed) {}
  PlayedSession next(const PlayedAgreement& agreed, bool broken);
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(random_() % bound); }
  std::uint32_t bits() { return static_cast<std::uint32_t>(random_()); }

 private:
  class Play;
  std::mt19937 random_;  // its sequence is fixed by the standard
};

}  // namespace sluice::wire_test
