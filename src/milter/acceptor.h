// Acceptor: takes the connections of several listening sockets on one loop: asks who they are, and
// waits while there are no descriptors. Clients then stay in the backlog; when that lasts longer
// than kPatience they are turned away, so that the MTA learns at once and takes its default action.
//
// Threads: made and destroyed, and stopped, on any thread while the loop runs; counts from any.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "backends/event_loop.h"
#include "milter/front_end.h"

namespace sluice::milter::wire {

// A listening socket's figures. Outlives its connections.
struct Place {
  std::string at;
  std::atomic<std::size_t> open{0};
  std::atomic<std::uint64_t> accepted{0}, not_allowed{0}, turned_away{0};
};

// May whoever has connected to this place? Asks the kernel: the address of a TCP client, the user
// of a process behind a unix socket.
bool is_allowed(int fd, const ListeningPlace& place);

class Acceptor {
 public:
  struct Options {
    std::size_t max_connections = 0;  // open at once
    Duration retry{100};              // while descriptors are short
    Duration patience{1'000};         // then waiting clients are turned away
  };
  // Takes a connection that may stay, on the loop's thread.
  using Take = std::function<void(int fd, Place& place)>;
  using CountOpen = std::function<std::size_t()>;

  // Takes the descriptors of the places, which become non-blocking.
  Acceptor(backends::EventLoop& loop, std::vector<ListeningPlace> places, Options options,
           CountOpen count_open, Take take);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  void start();
  void stop();  // closes the listening sockets; returns when that is done
  std::vector<PlaceCounts> counts() const;

 private:
  class Door;
  bool has_room() const { return count_open_() < options_.max_connections; }
  void pause();
  void retry();
  void turn_away();

  backends::EventLoop& loop_;
  const Options options_;
  const CountOpen count_open_;
  const Take take_;
  std::vector<std::unique_ptr<Door>> doors_;
  int spare_ = -1;  // a descriptor kept to be able to turn somebody away
  backends::EventLoop::TimerId timer_ = 0;
  backends::EventLoop::Steady::time_point short_since_{};
  bool is_paused_ = false, is_stopped_ = false;
};

}  // namespace sluice::milter::wire
