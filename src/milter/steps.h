// Steps: the parts of the protocol that a policy needs. What it does not need is not negotiated, so
// the MTA does not send it: this is the largest gain in speed that a milter can have.
#pragma once
#include "engine/session.h"
#include "policy/program.h"

namespace sluice::milter {

// connect, helo, mail, rcpt and the final dot are always taken: the log line and the settlement of
// limits need them.
struct Steps {
  bool data = false;
  bool headers = false;  // with end of headers
  bool body = false;
  bool unknown_commands = false;
  bool operator==(const Steps&) const = default;
};

Steps steps_of(const policy::Program& program);
// The same for a session, whose service may want more than the rules do.
Steps steps_of(const engine::Session& session);

}  // namespace sluice::milter
