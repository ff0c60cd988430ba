#include "backends/state_writer.h"

#include <pthread.h>

#include <algorithm>

namespace sluice::backends {

namespace {

constexpr std::size_t kAtATime = 16;  // records, while the decisions wait
constexpr Duration kFirstRetry{1000}, kLastRetry{60'000};
constexpr Duration kBetweenSweeps{1000};
constexpr int kSweptAtATime = 2000;  // rows of each table

}  // namespace

StateWriter::StateWriter(SqliteFile file, std::mutex& mutex, std::vector<ChangeSource*> sources,
                         std::function<TimePoint()> time, Duration interval)
    : file_(std::move(file)),
      mutex_(mutex),
      sources_(std::move(sources)),
      time_(std::move(time)),
      interval_(interval) {
  thread_ = std::thread([this] { run(); });
}

StateWriter::~StateWriter() { stop(); }

void StateWriter::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void StateWriter::changed() {
  if (changes_++ == written_) oldest_change_ = SteadyClock::now();
  if (is_waiting_) wake_.notify_one();
}

bool StateWriter::flush(Duration most) {
  Lock lock(mutex_);
  const auto wanted = changes_;
  return written_all_.wait_for(lock, most, [&] { return written_ >= wanted; });
}

StateWriter::Report StateWriter::report() const {
  const std::lock_guard lock(mutex_);
  Report report{changes_, written_, errors_, error_, Duration{0}};
  if (changes_ != written_)
    report.unwritten_for =
        std::chrono::duration_cast<Duration>(SteadyClock::now() - oldest_change_);
  return report;
}

void StateWriter::run() {
  pthread_setname_np(pthread_self(), "sluice-state");
  Lock lock(mutex_);
  for (;;) {
    is_waiting_ = true;
    wake_.wait(lock, [&] { return stop_ || changes_ != written_; });
    is_waiting_ = false;
    if (changes_ == written_) return;
    wake_.wait_until(lock, next_batch_, [&] { return stop_; });
    const bool is_last = stop_;
    next_batch_ = SteadyClock::now() + interval_;
    write_batch(lock);
    if (is_last) return;
  }
}

void StateWriter::write_batch(Lock& lock) {
  const auto target = changes_;
  const auto begun = SteadyClock::now();
  const auto done = error_.empty() ? write_changes(lock) : write_everything(lock);
  if (!done) return note_failure(done.error());
  error_.clear();
  retry_after_ = Duration{0};
  written_ = target;
  oldest_change_ = begun;  // what came later is not older than this
  written_all_.notify_all();
}

void StateWriter::note_failure(const Error& error) {
  ++errors_;
  error_ = error.what;
  retry_after_ = std::clamp(2 * retry_after_, kFirstRetry, kLastRetry);
  next_batch_ = SteadyClock::now() + retry_after_;
}

// Erased keys of all tables before changed records of any: a record may have moved to another
// table.
bool StateWriter::take_some(const std::vector<std::uint64_t>& ends, std::vector<StoredRow>& rows) {
  rows.clear();
  for (auto* source : sources_) source->take_erased(rows);
  bool more = false;
  for (std::size_t i = 0; i < sources_.size(); ++i)
    more |= sources_[i]->take_changed(ends[i], kAtATime, rows);
  return more;
}

// Called and left with the mutex held; not held while the disk works.
Result<void> StateWriter::write_changes(Lock& lock) {
  std::vector<std::uint64_t> ends;
  for (const auto* source : sources_) ends.push_back(source->changes_end());
  std::vector<StoredRow> rows;
  bool more = true;
  lock.unlock();
  auto done = file_.begin();
  while (done && more) {
    lock.lock();
    more = take_some(ends, rows);
    lock.unlock();
    done = file_.add(rows);
  }
  lock.lock();
  if (done) return finish(lock);
  file_.roll_back();
  return done;
}

Result<void> StateWriter::write_everything(Lock& lock) {
  std::vector<StoredRow> rows;
  for (auto* source : sources_) source->discard_changes();
  lock.unlock();
  auto done = file_.begin();
  for (const auto table : {Table::Limits, Table::LimitValues, Table::Greylist, Table::AutoAllowed,
                           Table::ListEntries, Table::Seen})
    rows.push_back({StoredRow::Change::EraseAll, table, {}});
  if (done) done = file_.add(rows);
  for (std::size_t part = 0; done && part < ChangeSource::kParts; ++part) {
    rows.clear();
    lock.lock();
    for (auto* source : sources_) source->take_all(part, rows);
    lock.unlock();
    done = file_.add(rows);
  }
  lock.lock();
  if (done) return finish(lock);
  file_.roll_back();
  return done;
}

Result<void> StateWriter::finish(Lock& lock) {
  const auto now = time_().time_since_epoch().count();
  lock.unlock();
  auto done = file_.add({{StoredRow::Change::Insert, Table::Meta, {std::string("time"), now}}});
  const auto moment = SteadyClock::now();
  if (done && moment >= next_sweep_) {
    done = file_.erase_expired(now, kSweptAtATime);
    next_sweep_ = moment + kBetweenSweeps;
  }
  if (done) done = file_.commit();
  if (!done) file_.roll_back();
  lock.lock();
  return done;
}

}  // namespace sluice::backends
