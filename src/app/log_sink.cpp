#include "app/log_sink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace sluice::app {
namespace {

constexpr std::size_t kWrittenAtOnce = 64 * 1024;

// How much of it was written; less than all: errno says why.
std::size_t write_all(int fd, const char* bytes, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t written = ::write(fd, bytes + done, size - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    done += static_cast<std::size_t>(written);
  }
  return done;
}

}  // namespace

LineSink::LineSink(const std::string& path)
    : fd_(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644)) {
  if (fd_ < 0) throw spdlog::spdlog_ex("cannot write " + path, errno);
}

LineSink::~LineSink() {
  flush_();
  if (fd_ != 2) ::close(fd_);
}

void LineSink::sink_it_(const spdlog::details::log_msg& message) {
  formatter_->format(message, waiting_);
  if (waiting_.size() >= kWrittenAtOnce) flush_();
}

void LineSink::flush_() {
  if (waiting_.size() == 0) return;
  std::size_t written = 0;
  errno = 0;
  if (lost_ == 0 || begin_again()) written = write_all(fd_, waiting_.data(), waiting_.size());
  if (written < waiting_.size()) note_loss(written, errno);
  waiting_.clear();
}

bool LineSink::begin_again() {
  spdlog::memory_buf_t all;
  if (is_cut_) all.push_back('\n');
  formatter_->format({"sluice", spdlog::level::warn,
                      fmt::format("{} log lines were lost: {}", lost_, std::strerror(error_))},
                     all);
  const std::size_t written = write_all(fd_, all.data(), all.size());
  is_cut_ = written < all.size() && (is_cut_ || written > 0);
  if (written < all.size()) return false;  // the disk is still full
  lost_ = 0;
  return true;
}

void LineSink::note_loss(std::size_t written, int error) {
  const char* const end = waiting_.data() + waiting_.size();
  const char* const at = waiting_.data() + written;
  lost_ += static_cast<std::size_t>(std::count(at, end, '\n'));
  if (written > 0) is_cut_ = at[-1] != '\n';
  error_ = error;
}

LogWriter::LogWriter(std::shared_ptr<spdlog::logger> logger) : logger_(std::move(logger)) {
  // Signals are the main thread's.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void LogWriter::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void LogWriter::take(spdlog::level::level_enum level, std::string line) {
  const std::lock_guard lock(mutex_);
  if (!logger_->should_log(level)) return;
  if (queue_.size() >= kMaxQueued) {
    ++dropped_;
    return;
  }
  queue_.push_back({spdlog::log_clock::now(), level, std::move(line)});
  if (std::exchange(is_waiting_, false)) wake_.notify_one();
}

void LogWriter::change(std::shared_ptr<spdlog::logger> logger) {
  const std::lock_guard lock(mutex_);
  logger_ = std::move(logger);
}

void LogWriter::run() {
  pthread_setname_np(pthread_self(), "sluice-log");
  std::vector<Line> batch;
  std::unique_lock lock(mutex_);
  while (!is_stopping_ || !queue_.empty()) {
    is_waiting_ = true;
    wake_.wait(lock, [this] { return is_stopping_ || !queue_.empty(); });
    is_waiting_ = false;
    batch.swap(queue_);
    const auto logger = logger_;
    const std::size_t dropped = std::exchange(dropped_, 0);
    lock.unlock();
    for (const Line& line : batch)
      logger->log(line.at, spdlog::source_loc{}, line.level, std::string_view(line.text));
    if (dropped > 0) logger->warn("{} log lines were dropped: they came too fast", dropped);
    logger->flush();
    batch.clear();
    lock.lock();
    // Whatever comes meanwhile is one batch: no wake-up for each line.
    wake_.wait_for(lock, kInterval, [this] { return is_stopping_; });
  }
}

}  // namespace sluice::app
