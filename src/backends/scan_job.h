// ScanJob: one message on its way to one server of a ScanDesk, or to the next when that fails.
// What was sent is held as long as it fits into the window, so that it can be sent again.
//
// Threads: feed(), await_room(), finish() and give_up() from the session's thread; the rest is the
// loop's.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "backends/scan_desk.h"

namespace sluice::backends {

inline constexpr std::size_t kSentAtOnce = 256 * 1024;

class ScanJob : public std::enable_shared_from_this<ScanJob> {
 public:
  using Done = std::function<void(const Result<ScanFindings>&)>;

  ScanJob(std::shared_ptr<ScanDesk> desk, std::shared_ptr<const ScanEnvelope> envelope);

  // See Scan.
  bool feed(std::string bytes);
  bool await_room(std::function<void()> wake);
  void finish(TimePoint deadline, Done done);
  // Nobody waits any more.
  void give_up();

  // --- the loop's thread, for the desk ---
  void talk();  // it has a place
  void end(std::string why);

 private:
  enum class State { Holding, Waiting, Talking, Over };
  void take(std::string bytes);
  void finish_here(TimePoint deadline, Done done);
  void ask_for_place();
  void connect();
  void send();
  void drained();
  void received(std::string_view bytes);
  void closed(StreamEnd how);
  void settle(const Result<ScanFindings>& outcome);
  void attempt_failed(const std::string& what);
  void too_late();
  void wait_for_answer();
  void over(Result<ScanFindings> outcome);
  void release(std::size_t bytes);
  void drop_sent();

  const std::shared_ptr<ScanDesk> desk_;
  const std::shared_ptr<const ScanEnvelope> envelope_;

  // Of the session's thread.
  std::size_t fed_ = 0;
  // Shared.
  std::mutex mutex_;
  std::size_t held_bytes_ = 0;  // fed and not yet let go
  bool is_overrun_ = false;
  std::function<void()> wake_;
  // Of the loop's thread.
  State state_ = State::Holding;
  std::deque<std::string> held_;
  std::size_t sent_ = 0;     // pieces of held_ that this server has
  std::size_t taken_ = 0;    // bytes
  bool is_dropped_ = false;  // the beginning is gone: no other server can have it
  bool is_finished_ = false, has_tail_ = false, is_sending_ = false;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<ScanReply> reply_;
  std::size_t address_ = 0;
  std::vector<bool> tried_;
  std::string last_failure_ = "no server can be asked at the moment";
  EventLoop::Steady::time_point asked_{};  // this server, all of it
  EventLoop::TimerId deadline_timer_ = 0, answer_timer_ = 0;
  std::optional<Result<ScanFindings>> outcome_;
  Done done_;
};

}  // namespace sluice::backends
