// LineSink: writes log lines to stderr or a file, those of a batch with one call. Beside it
// LogWriter: the thread that takes lines from everybody and hands them to a sink in batches, so
// that a decision costs neither a system call nor a wake-up of its own.
#pragma once
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace sluice::app {

// Of one thread. A file that cannot be opened throws spdlog_ex, as spdlog's own sinks do. Lines
// that cannot be written (a full disk) are lost; a warning in front of the next ones that can tells
// how many and why. What was cut in the middle is ended there: no two lines ever become one.
class LineSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  LineSink() = default;                     // stderr
  explicit LineSink(const std::string& path);  // appends
  ~LineSink() override;

 private:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override;
  // In front of what waits: the end of a line that was cut, and what was lost.
  bool begin_again();
  void note_loss(std::size_t written, int error);

  int fd_ = 2;
  spdlog::memory_buf_t waiting_;
  bool is_cut_ = false;  // the last line that was written has no end
  std::size_t lost_ = 0;
  int error_ = 0;  // why; an errno
};

// Threads: any. Lines come out in the order they came in, at most kInterval later; beyond
// kMaxQueued they are dropped and counted.
class LogWriter {
 public:
  static constexpr std::size_t kMaxQueued = 8'192;
  static constexpr std::chrono::milliseconds kInterval{50};

  explicit LogWriter(std::shared_ptr<spdlog::logger> logger);
  ~LogWriter() { stop(); }

  // Writes what is queued; what comes later is lost.
  void stop();

  void take(spdlog::level::level_enum level, std::string line);
  // From the next batch on.
  void change(std::shared_ptr<spdlog::logger> logger);

 private:
  struct Line {
    spdlog::log_clock::time_point at;
    spdlog::level::level_enum level;
    std::string text;
  };
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Line> queue_;
  std::size_t dropped_ = 0;
  std::shared_ptr<spdlog::logger> logger_;
  bool is_waiting_ = false, is_stopping_ = false;
  std::thread thread_;
};

}  // namespace sluice::app
