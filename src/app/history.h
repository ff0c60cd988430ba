// History: the decisions of the last days with their traces, for `sluice why`, `history`, `top`, the
// metrics and the page. A session only puts its record into a queue; a thread of its own writes
// them, some 250 ms later. When it cannot keep up, or the disk fails, decisions are dropped and
// counted; mail never waits.
//
// Kept: every answer, what shadow rules would have answered, and one row for each message accepted.
// Bounded by age (history.keep), by bytes (history.size) and by the caps below.
//
// Threads: decided() and all else from any.
#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "app/history_file.h"
#include "engine/decision.h"

namespace sluice::app {

struct HistoryOptions {
  std::string folder;  // of the state
  Duration keep{7 * 86'400'000LL};
  std::int64_t max_bytes = 1LL << 30;
  std::string redact = "none";
  Duration write_interval{250};
};

class History final : public engine::DecisionSink {
 public:
  static constexpr std::size_t kMaxQueued = 4'000;  // decisions not yet written: some 4 MB
  static constexpr std::size_t kMaxTracesQueued = 2'000;  // of them with a trace; more lose it

  // A file that is damaged is put aside (history.db.damaged) and a new one begun; `complain` is told
  // of it, and later of a disk that fails. Errors: the state folder cannot be used.
  static Result<std::unique_ptr<History>> open(const HistoryOptions& options, const Clock& clock,
                                               std::function<void(const std::string&)> complain);
  ~History() override;  // writes what is queued

  bool reads_texts(const engine::DecisionRecord& record) const override;
  void decided(const engine::DecisionRecord& record) override;

  // Looks into the file by `look`, on the caller's thread. One at a time.
  template <class Look>
  auto read(Look look) -> decltype(look(std::declval<HistoryFile&>())) {
    const std::lock_guard lock(reading_);
    if (auto opened = open_reader(); !opened) return tl::unexpected(opened.error());
    return look(*reader_);
  }
  // Waits until all that was decided before is in the file; false: not by then.
  bool flush(Duration most);

  struct Report {
    std::uint64_t written = 0, dropped = 0, traces_dropped = 0;
    std::size_t queued = 0;
    std::int64_t bytes = 0;
    std::string error;  // empty: all is well
  };
  Report report() const;
  const Redaction& redaction() const { return redaction_; }

 private:
  History(HistoryOptions options, const Clock& clock, Redaction redaction, HistoryFile file,
          std::function<void(const std::string&)> complain);
  void run();
  void write(std::vector<engine::DecisionRecord> batch);
  void note_error(const std::string& what);
  Result<void> open_reader();
  std::string path() const;

  const HistoryOptions options_;
  const Clock& clock_;
  const Redaction redaction_;
  HistoryFile file_;  // of the writer's thread
  const std::function<void(const std::string&)> complain_;

  mutable std::mutex mutex_;
  std::condition_variable wake_, written_all_;
  std::vector<engine::DecisionRecord> queue_;
  std::size_t traces_queued_ = 0;
  bool stop_ = false;
  bool is_awaited_ = false;                // somebody waits in flush()
  std::uint64_t taken_ = 0, handled_ = 0;  // decisions put into the queue; written or dropped
  std::uint64_t written_ = 0, dropped_ = 0, traces_dropped_ = 0;
  std::int64_t bytes_ = 0;
  std::string error_;

  std::mutex reading_;
  std::optional<HistoryFile> reader_;
  std::thread thread_;
};

}  // namespace sluice::app
