// FrontEnd: the MTA's side of Sluice. It turns the milter protocol into session events and answers
// into replies, and decides nothing. Two exist behind this interface: libmilter (the reference) and
// the wire engine.
#pragma once
#include <atomic>
#include <cstddef>
#include <memory>

#include "base/result.h"
#include "engine/session.h"

namespace sluice::milter {

// Gives each new milter connection its session, with the policy of that moment: a session keeps
// what it began with. Threads: any.
class SessionSource {
 public:
  virtual ~SessionSource() = default;
  // Null when the service has reached its cap of sessions: the MTA gets a temporary failure.
  virtual std::unique_ptr<engine::Session> begin() = 0;
};

class FrontEnd {
 public:
  virtual ~FrontEnd() = default;
  // Serves connections of the listening socket from now on, on threads of its own. Takes the
  // descriptor.
  virtual Result<void> start(int listening_fd, SessionSource& source,
                             const engine::Resources& resources) = 0;
  // New connections are no longer taken (they wait in the backlog of an inherited socket, or are
  // refused); open ones go on.
  virtual void stop_accepting() = 0;
  virtual std::size_t open_sessions() const = 0;
  virtual std::uint64_t sessions_served() const = 0;
  // The front end ended by itself, which it never should.
  virtual bool has_failed() const = 0;
};

}  // namespace sluice::milter
