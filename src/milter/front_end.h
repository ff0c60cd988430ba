// FrontEnd: the MTA's side of Sluice. It turns the milter protocol into session events and answers
// into replies, and decides nothing. Two exist behind this interface: libmilter (the reference) and
// the wire engine.
#pragma once
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/ip_address.h"
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

// A listening socket and who may connect to it.
struct ListeningPlace {
  int fd = -1;
  std::string at;                   // as in the configuration: "unix:/run/x.sock"
  std::vector<Network> allow_from;  // of TCP clients; empty: all
  std::vector<uid_t> allow_users;   // of clients of a unix socket; empty: all that its mode lets in
};

struct PlaceCounts {
  std::string at;
  std::size_t open = 0;           // connections now
  std::uint64_t accepted = 0;     // connections so far
  std::uint64_t not_allowed = 0;  // closed before a word was said: allow_from, allow_users
  std::uint64_t turned_away = 0;  // closed because descriptors ran out
};

class FrontEnd {
 public:
  virtual ~FrontEnd() = default;
  // Serves connections of the listening sockets from now on, on threads of its own. Takes the
  // descriptors, also when it fails.
  virtual Result<void> start(std::vector<ListeningPlace> places, SessionSource& source,
                             const engine::Resources& resources) = 0;
  // New connections are no longer taken (they wait in the backlog of an inherited socket, or are
  // refused); open ones go on.
  virtual void stop_accepting() = 0;
  // Ends the sessions that are still open, as if their MTAs were gone, if that can be done.
  virtual void end_sessions() = 0;
  virtual std::size_t open_sessions() const = 0;
  virtual std::uint64_t sessions_served() const = 0;
  // Connections that were ended because their peer broke the protocol; 0 where nobody can tell.
  virtual std::uint64_t broken_sessions() const = 0;
  virtual std::vector<PlaceCounts> places() const = 0;
  // The front end ended by itself, which it never should.
  virtual bool has_failed() const = 0;
};

}  // namespace sluice::milter
