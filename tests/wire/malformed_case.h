// malformed_case.h - what no honest MTA sends, one named case after the other.
//
// A case says in which state of a session it comes and what libmilter 1.0.1 does with it: the
// letters of the answers it sends, then `closed` if it ends the connection, nothing if it stays
// silent (see docs/decisions/0007-malformed-milter-peers.md).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "milter_peer/link.h"

namespace sluice::wire_test {

enum class SessionState { Fresh, Negotiated, Connected, Greeted, Mail, Rcpt, Headers, Body };

struct MalformedCase {
  std::string name;
  SessionState state;
  std::string bytes;
  std::string libmilter;  // "c", "closed", "c closed", "" for silence
};

const std::vector<MalformedCase>& malformed_cases();

// Brings a new session into the state of the case, sends its bytes and tells what comes back, in
// the form of MalformedCase::libmilter. Ends early when it is that; nullopt when the state cannot
// be reached.
std::optional<std::string> observe(const peer::Endpoint& endpoint, const MalformedCase& one,
                                   std::chrono::milliseconds patience);

}  // namespace sluice::wire_test
