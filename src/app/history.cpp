#include "app/history.h"

#include <pthread.h>

#include <filesystem>

#include "app/decision_log.h"

namespace sluice::app {
namespace {

constexpr Duration kTrimEvery{1'000};

Result<HistoryFile> open_or_begin_anew(const std::string& path, const HistoryFile::Limits& limits,
                                       const std::function<void(const std::string&)>& complain) {
  auto file = HistoryFile::open(path, limits);
  if (file || file.error().cause != Cause::Config) return file;
  std::error_code ignored;
  for (const char* suffix : {"", "-wal", "-shm"})
    std::filesystem::rename(path + suffix, path + ".damaged" + suffix, ignored);
  complain("history: " + file.error().what + "; put aside as " + path + ".damaged");
  return HistoryFile::open(path, limits);
}

}  // namespace

Result<std::unique_ptr<History>> History::open(const HistoryOptions& options, const Clock& clock,
                                               std::function<void(const std::string&)> complain) {
  std::error_code failed;
  std::filesystem::create_directories(options.folder, failed);
  auto redaction = Redaction::open(options.redact, options.folder);
  if (!redaction) return tl::unexpected(redaction.error());
  const auto path = (std::filesystem::path(options.folder) / "history.db").string();
  auto file = open_or_begin_anew(path, {options.keep, options.max_bytes}, complain);
  if (!file) return tl::unexpected(file.error());
  return std::unique_ptr<History>(
      new History(options, clock, *redaction, std::move(*file), std::move(complain)));
}

History::History(HistoryOptions options, const Clock& clock, Redaction redaction, HistoryFile file,
                 std::function<void(const std::string&)> complain)
    : options_(std::move(options)),
      clock_(clock),
      redaction_(redaction),
      file_(std::move(file)),
      complain_(std::move(complain)),
      bytes_(file_.bytes()),
      thread_([this] { run(); }) {}

History::~History() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

std::string History::path() const {
  return (std::filesystem::path(options_.folder) / "history.db").string();
}

bool History::reads_texts(const engine::DecisionRecord& record) const {
  return is_worth_a_line(record);
}

void History::decided(const engine::DecisionRecord& record) {
  if (!is_worth_a_line(record)) return;
  engine::DecisionRecord copy = record;  // before the others have to wait
  const std::lock_guard lock(mutex_);
  if (queue_.size() >= kMaxQueued) {
    ++dropped_;
    return;
  }
  queue_.push_back(std::move(copy));
  ++taken_;
  if (record.trace.empty()) return;
  if (++traces_queued_ <= kMaxTracesQueued) return;
  queue_.back().trace.clear();
  ++traces_dropped_;
}

void History::run() {
  pthread_setname_np(pthread_self(), "sluice-history");
  TimePoint trimmed = clock_.now();
  std::unique_lock lock(mutex_);
  while (!stop_ || !queue_.empty()) {
    wake_.wait_for(lock, options_.write_interval, [this] { return stop_ || is_awaited_; });
    std::vector<engine::DecisionRecord> batch;
    batch.swap(queue_);
    traces_queued_ = 0;
    is_awaited_ = false;
    const std::size_t count = batch.size();
    lock.unlock();
    if (count > 0) write(std::move(batch));
    // A clock set back is a reason too.
    if (const TimePoint now = clock_.now(); now - trimmed >= kTrimEvery || now < trimmed) {
      trimmed = now;
      if (const auto done = file_.trim(now); !done) note_error(done.error().what);
    }
    lock.lock();
    handled_ += count;
    written_all_.notify_all();
  }
}

void History::write(std::vector<engine::DecisionRecord> batch) {
  std::vector<HistoryEntry> entries;
  entries.reserve(batch.size());
  for (engine::DecisionRecord& record : batch)
    entries.push_back(make_history_entry(std::move(record), redaction_));
  const auto done = file_.add(entries);
  const std::int64_t bytes = file_.bytes();
  if (!done) note_error(done.error().what);
  const std::lock_guard lock(mutex_);
  (done ? written_ : dropped_) += entries.size();
  if (done) error_.clear();
  bytes_ = bytes;
}

// Told once, until it has worked again.
void History::note_error(const std::string& what) {
  bool is_new = false;
  {
    const std::lock_guard lock(mutex_);
    is_new = error_.empty();
    error_ = what;
  }
  if (is_new) complain_("history: " + what + "; decisions are not kept");
}

Result<void> History::open_reader() {
  if (reader_) return {};
  auto opened = HistoryFile::open_for_reading(path());
  if (!opened) return tl::unexpected(opened.error());
  reader_.emplace(std::move(*opened));
  return {};
}

bool History::flush(Duration most) {
  std::unique_lock lock(mutex_);
  const std::uint64_t wanted = taken_;
  if (handled_ >= wanted) return true;
  is_awaited_ = true;
  wake_.notify_all();
  return written_all_.wait_for(lock, most, [&] { return handled_ >= wanted; });
}

History::Report History::report() const {
  const std::lock_guard lock(mutex_);
  return {written_, dropped_, traces_dropped_, queue_.size(), bytes_, error_};
}

}  // namespace sluice::app
