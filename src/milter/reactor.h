// Reactor: one thread and the connections that it serves. A connection that waits for look-ups or
// for the end of a delay is parked; nothing here blocks. Buffers for reading and writing are the
// reactor's; a connection owns bytes only while a frame is incomplete or the MTA does not read.
//
// Threads: adopt() and connections() from any; the rest on the loop's own thread.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "backends/event_loop.h"
#include "milter/acceptor.h"
#include "milter/doorbell.h"
#include "milter/wire_session.h"

namespace sluice::milter::wire {

// How long a peer may keep a connection without using it as agreed. None of these is felt by an
// honest MTA: it negotiates at once, sends whole frames, reads answers, and is the one that decides
// when a session of its client is over.
struct Patience {
  Duration negotiation{60'000};
  Duration frame{60'000};   // from its first byte to its last
  Duration answer{60'000};  // until the MTA has read it
  Duration idle{7'210'000};
};

class Link;

class Reactor {
 public:
  using LinkId = std::uint64_t;

  static Result<std::unique_ptr<Reactor>> start(const std::string& name, Shared& shared,
                                                const Patience& patience);
  ~Reactor();  // ends its sessions
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  // Takes the descriptor.
  void adopt(int fd, Place& place);
  std::size_t connections() const { return connections_; }
  // From now on who has connected has 2 s for its first word.
  void hurry_negotiations();
  void end_sessions();  // returns when that is done

  // --- for its links ---
  backends::EventLoop& loop() { return *loop_; }
  Shared& shared() { return shared_; }
  const Patience& patience() const { return patience_; }
  const std::shared_ptr<Doorbell>& bell() const { return bell_; }
  std::vector<char>& reading() { return reading_; }
  std::string& writing() { return writing_; }
  // Calls the link if it is still there; it ends when `visit` gives false.
  void visit(LinkId id, const std::function<bool(Link&)>& visit);
  void drop(LinkId id);

 private:
  Reactor(std::unique_ptr<backends::EventLoop> loop, Shared& shared, const Patience& patience);
  void sweep();

  std::unique_ptr<backends::EventLoop> loop_;
  Shared& shared_;
  Patience patience_;  // of the loop's thread once it runs
  std::shared_ptr<Doorbell> bell_;
  std::vector<char> reading_;
  std::string writing_;
  std::unordered_map<LinkId, std::unique_ptr<Link>> links_;
  LinkId last_id_ = 0;
  std::atomic<std::size_t> connections_{0};
};

}  // namespace sluice::milter::wire
