// ScanDesk: who may talk to which server of one kind of scanner. Several addresses take turns; one
// that fails is followed by the next, one that fails again and again (breaker) is left alone for a
// while and then tried by one message. At most so many connections at once, the rest waits in a
// queue with a cap.
//
// Threads: start(), begin(), health() and close() from any thread; the rest is the loop's.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "backends/event_loop.h"
#include "backends/scan_protocol.h"
#include "backends/stream.h"

namespace sluice::backends {

class ScanJob;

struct ScannerOptions {
  std::vector<Endpoint> addresses;  // at least one
  Duration timeout{5'000};          // for the answer of one server
  Duration connect_timeout{1'000};
  std::size_t connections = 32;  // at once, to all addresses together
  std::size_t waiting = 1'000;   // messages that wait for a connection; more are not scanned
  // Given to the scanner of one message; the rest is cut off. 0: all of it.
  std::size_t message_bytes = 0;
  // Held of one message that is not sent yet. With `streams` a message is sent while it comes, from
  // half of this on; without, when all of it is there.
  std::size_t window_bytes = 1u << 20;
  bool streams = false;
  int failures = 3;           // in a row, then the address is away
  Duration away_for{10'000};  // before it is tried again
  // One line for the log when an address goes away or comes back; on the loop's thread.
  std::function<void(bool is_away, const std::string& line)> tell;
};

struct ScannerAddress {
  std::string at;
  bool away = false;
  std::string what;  // why it failed last
  std::uint64_t asked = 0, answered = 0, failed = 0;
};
struct ScannerHealth {
  std::string name;  // "clamd"
  std::vector<ScannerAddress> addresses;
  std::size_t connections = 0, waiting = 0;  // now
  std::uint64_t scanned = 0, unscanned = 0;  // messages; of those that were asked for
};

class ScanDesk : public std::enable_shared_from_this<ScanDesk> {
 public:
  // loop and clock outlive close().
  static std::shared_ptr<ScanDesk> start(EventLoop& loop, const Clock& clock,
                                         ScannerOptions options,
                                         std::unique_ptr<ScanProtocol> protocol);
  std::shared_ptr<ScanJob> begin(std::shared_ptr<const ScanEnvelope> envelope);
  ScannerHealth health() const;
  // Ends what is open, with answers that say so; returns when the loop has forgotten it.
  void close();

  // --- for jobs, on the loop's thread ---
  EventLoop& loop() { return loop_; }
  const Clock& clock() const { return clock_; }
  const ScannerOptions& options() const { return options_; }
  const ScanProtocol& protocol() const { return *protocol_; }
  bool is_closed() const { return is_closed_; }
  // A connection for this job: begins now, or when one is free. False: too many wait already.
  bool take_place(const std::shared_ptr<ScanJob>& job);
  void leave_place(const ScanJob& job);
  // The next address that is not tried yet and not away; nullopt: none is left.
  std::optional<std::size_t> pick(const std::vector<bool>& tried);
  void succeeded(std::size_t address);
  void failed(std::size_t address, const std::string& what);
  void given_up(std::size_t address);  // neither of both: the message went away
  void ended(bool scanned);

 private:
  struct Server {
    int failures = 0;  // in a row
    bool is_probed = false;
    EventLoop::Steady::time_point away_until{};
    ScannerAddress told;
  };
  ScanDesk(EventLoop& loop, const Clock& clock, ScannerOptions options,
           std::unique_ptr<ScanProtocol> protocol);
  void end_all();

  EventLoop& loop_;
  const Clock& clock_;
  const ScannerOptions options_;
  const std::unique_ptr<ScanProtocol> protocol_;
  bool is_closed_ = false;
  std::vector<std::shared_ptr<ScanJob>> talking_;  // at most options_.connections
  std::deque<std::shared_ptr<ScanJob>> queue_;
  std::size_t turn_ = 0;
  mutable std::mutex mutex_;     // of what health() reads
  std::vector<Server> servers_;  // `told` under mutex_
  std::size_t open_ = 0, waiting_ = 0;
  std::uint64_t scanned_ = 0, unscanned_ = 0;
};

}  // namespace sluice::backends
