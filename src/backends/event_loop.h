// EventLoop: one thread that waits for many descriptors and times at once (epoll). Backends and
// front ends that speak a protocol over sockets keep their connections on one and never block it.
//
// Threads: post() and is_own_thread() from any thread; all else on the loop's own thread (from a
// callback or a posted function). Callbacks must return soon and not throw. The destructor, on
// another thread, runs what was posted before it, stops the loop and joins; callbacks not yet due
// are dropped. Whoever watches must have forgotten, or must outlive the loop.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace sluice::backends {

inline constexpr std::size_t kMaxEventsAtOnce = 256;  // taken from the kernel in one turn

// What a descriptor's owner is told. `events` are EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP.
class Watched {
 public:
  virtual void on_ready(std::uint32_t events) = 0;

 protected:
  ~Watched() = default;
};

class EventLoop {
 public:
  using Steady = std::chrono::steady_clock;
  using TimerId = std::uint64_t;  // never 0, never used twice

  // name: of the thread, at most 15 bytes. Error{Temporary}: no descriptors left.
  static Result<std::unique_ptr<EventLoop>> start(const std::string& name);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Runs it on the loop's thread, in the order posted.
  void post(std::function<void()> task);
  bool is_own_thread() const;

  // Level-triggered. Watching again changes the events or the owner. The descriptor stays the
  // owner's, who forgets it before closing it; after forget() its on_ready is not called any more,
  // not even for events already taken.
  void watch(int fd, std::uint32_t events, Watched& owner);
  void forget(int fd);

  // Runs it once, `after` from now (steady time).
  TimerId in(Duration after, std::function<void()> task);
  // Unknown and past ids are fine.
  void cancel(TimerId id);

  // When the present turn of the loop began.
  Steady::time_point now() const;

 private:
  class Turn;  // state of the thread
  explicit EventLoop(std::unique_ptr<Turn> turn);
  std::unique_ptr<Turn> turn_;
};

}  // namespace sluice::backends
