// generator.h - one thread that plays the MTA for many sessions at once (epoll).
//
// Closed loop: every connection runs session after session. Open loop (`rate`): sessions begin on
// schedule whatever comes back; when all connections are busy they wait, and the wait counts.
// Latencies are taken from when a step was due, not from when it was sent, so that a filter that
// stalls cannot hide it. What falls outside the measuring window is played and not counted.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

#include "load/conversation.h"
#include "load/histogram.h"
#include "load/options.h"
#include "load/script.h"
#include "milter_peer/frame.h"
#include "milter_peer/link.h"

namespace sluice::load {

using Time = std::chrono::steady_clock::time_point;

struct Window {
  Time begin;
  Time end;
};

struct Counts {
  std::array<Histogram, peer::kEvents> latency;
  Histogram attach;            // connect and negotiate
  Histogram all;               // every answer after that
  std::uint64_t messages = 0;  // that reached the end and passed
  std::uint64_t refused = 0;   // messages
  std::uint64_t sessions = 0;
  std::uint64_t replies = 0;   // answers with a reply code, tempfail or reject
  std::uint64_t failures = 0;  // connections refused, broken off or out of protocol
  void merge(const Counts& other);
};

class Generator {
 public:
  // `first_client`: so that several threads do not play the same clients.
  Generator(const LoadOptions& options, Window window, std::size_t first_client);
  ~Generator();
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  void run();  // until the window ends
  const Counts& counts() const { return counts_; }

 private:
  struct Connection {
    peer::Link link;
    peer::FrameReader frames;
    Conversation conversation{0, 0};
    const Script* script = nullptr;  // none until negotiated
    std::string unsent;              // a body may be large:
    std::size_t unsent_at = 0;       // what of it went out is not moved away
    void drop_unsent() {
      unsent.clear();
      unsent_at = 0;
    }
    Time due;
    std::uint64_t generation = 0;  // a timer of an earlier session is void
    bool is_waiting = false;       // for an answer
  };
  struct Timer {
    Time at;
    std::size_t slot;
    std::uint64_t generation;
    bool operator>(const Timer& other) const { return at > other.at; }
  };

  void schedule(std::size_t slot, Time at);
  void start_arrivals(Time now);
  void run_timers(Time now);
  std::chrono::nanoseconds until_next(Time now) const;
  void begin(std::size_t slot, Time due);
  void finish(std::size_t slot);
  void fail(std::size_t slot);
  void on_event(std::size_t slot, std::uint32_t events);
  void read(std::size_t slot, Time now);
  bool take(std::size_t slot, const peer::Frame& frame, Time now);
  void proceed(std::size_t slot, Time due);
  bool send(Connection& connection, std::string_view bytes, std::size_t slot);
  void watch(const Connection& connection, std::size_t slot, int operation) const;
  void record(const Connection& connection, Time now);
  bool counts_at(Time now) const { return now >= window_.begin && now < window_.end; }

  LoadOptions options_;
  Window window_;
  std::size_t next_client_;
  int epoll_;
  std::vector<Connection> connections_;
  std::vector<std::size_t> free_slots_;  // open loop
  std::deque<Time> late_;                // open loop: sessions that found no free connection
  Time next_arrival_;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
  std::map<std::string, std::unique_ptr<Script>, std::less<>> scripts_;  // by negotiation
  std::string out_;
  Counts counts_;
};

}  // namespace sluice::load
