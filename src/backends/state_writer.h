// StateWriter: one thread that writes what changed in memory to the state file, in batches. The
// decisions never wait for it, and it holds their mutex for short moments only.
//
// A disk error stops nothing: it is counted and told, what changes is no longer kept for the disk,
// and once a try succeeds (at most a minute later) everything is written anew.
//
// Threads: changed() under the mutex, the rest without it; stop() writes what is left, once.
#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "backends/embedded_record.h"
#include "backends/sqlite_file.h"

namespace sluice::backends {

class StateWriter {
 public:
  struct Report {
    std::uint64_t changes = 0,
                  written =
                      0;  // submissions that changed something; those of them that are on disk
    std::uint64_t errors = 0;
    std::string error;          // empty: all is well
    Duration unwritten_for{0};  // age of the oldest change that is not on disk
  };
  // `time`: of the store, asked under the mutex. All of it must outlive the writer.
  StateWriter(SqliteFile file, std::mutex& mutex, std::vector<ChangeSource*> sources,
              std::function<TimePoint()> time, Duration interval);
  ~StateWriter();

  void changed();
  bool flush(Duration most);  // false: not everything is on disk by then
  void stop();
  Report report() const;

 private:
  using SteadyClock = std::chrono::steady_clock;
  using Lock = std::unique_lock<std::mutex>;
  void run();
  void write_batch(Lock& lock);
  Result<void> write_changes(Lock& lock);
  Result<void> write_everything(Lock& lock);
  Result<void> finish(Lock& lock);
  bool take_some(const std::vector<std::uint64_t>& ends, std::vector<StoredRow>& rows);
  void note_failure(const Error& error);

  SqliteFile file_;
  std::mutex& mutex_;
  const std::vector<ChangeSource*> sources_;
  const std::function<TimePoint()> time_;
  const Duration interval_;
  std::condition_variable wake_, written_all_;
  bool stop_ = false;
  bool is_waiting_ = false;
  std::uint64_t changes_ = 0, written_ = 0, errors_ = 0;
  std::string error_;
  SteadyClock::time_point oldest_change_, next_batch_, next_sweep_;
  Duration retry_after_{0};
  std::thread thread_;
};

}  // namespace sluice::backends
