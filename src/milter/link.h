// Link: one connection of an MTA: a socket, a WireSession, and what of both is waited for. Lives on
// its reactor's thread.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "milter/reactor.h"

namespace sluice::milter::wire {

class Link final : public backends::Watched {
 public:
  using Steady = backends::EventLoop::Steady;

  // Takes the descriptor.
  Link(Reactor& reactor, Reactor::LinkId id, int fd, Place& place);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  void begin();
  void on_ready(std::uint32_t events) override;
  bool is_overdue(Steady::time_point now) const;
  bool is_negotiated() const { return session_.is_negotiated(); }

 private:
  enum class Waiting : std::uint8_t { Nothing, Round, Delay, Turn };
  using Next = WireSession::Next;

  // These give false when the connection is to end.
  bool serve(std::uint32_t events);
  bool read();
  bool run(Next next, std::string_view bytes);
  bool go_on(Next next) { return run(next, in_); }
  bool round_is_complete(std::uint32_t wait);
  bool time_is_up(std::uint32_t wait);
  bool delay_is_over();
  bool send(std::string& out);
  bool flush();

  bool await_round();
  void set_timer();
  Duration left() const;
  void begin_delay();
  void yield();
  void keep(std::string_view rest);
  bool is_reading() const { return waiting_ == Waiting::Nothing && out_.empty(); }
  void watch(std::uint32_t events);
  void watch_again();
  void acknowledge() const;

  Reactor& reactor_;
  const Reactor::LinkId id_;
  Place& place_;
  WireSession session_;
  std::string in_, out_;  // of an incomplete frame, or behind a wait; what the MTA has not read
  Steady::time_point since_;  // when the state began that is_overdue() looks at
  backends::EventLoop::TimerId timer_ = 0;
  const int fd_;
  std::uint32_t watched_ = 0;
  std::uint32_t wait_ = 0;  // tells a late wake-up from the one that is waited for
  Waiting waiting_ = Waiting::Nothing;
  bool is_tcp_ = false;
};

}  // namespace sluice::milter::wire
