#include "backends/event_loop.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sluice::backends {
namespace {

constexpr int kLongestWait = 60'000;  // milliseconds; a turn now and then costs nothing

// An event says which descriptor and which watch of it: a number that is closed and opened again
// within one turn is another watch.
std::uint64_t mark_of(int fd, std::uint32_t generation) {
  return std::uint64_t{generation} << 32 | static_cast<std::uint32_t>(fd);
}

}  // namespace

class EventLoop::Turn {
 public:
  Turn(int epoll_fd, int wake_fd) : epoll_fd_(epoll_fd), wake_fd_(wake_fd) {}
  ~Turn();

  void start(const std::string& name);
  void post(std::function<void()> task);
  bool is_own_thread() const { return std::this_thread::get_id() == id_.load(); }
  void watch(int fd, std::uint32_t events, Watched& owner);
  void forget(int fd);
  TimerId in(Duration after, std::function<void()> task);
  void cancel(TimerId id);
  Steady::time_point now() const { return now_; }

 private:
  struct Watch {
    Watched* owner = nullptr;
    std::uint32_t generation = 0;
  };
  using Due = std::pair<Steady::time_point, TimerId>;

  void run();
  void wait();
  void dispatch(std::uint64_t mark, std::uint32_t events);
  void run_posted();
  void run_due();
  int until_next_due() const;

  const int epoll_fd_, wake_fd_;
  std::thread thread_;
  std::atomic<std::thread::id> id_{};
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;  // under mutex_
  bool is_stopping_ = false;
  Steady::time_point now_ = Steady::now();
  std::uint32_t generations_ = 0;
  std::unordered_map<int, Watch> watches_;  // descriptors are ours, no peer chooses them
  std::map<Due, std::function<void()>> timers_;
  std::unordered_map<TimerId, Steady::time_point> due_of_;
  TimerId last_timer_ = 0;
};

void EventLoop::Turn::start(const std::string& name) {
  // Signals are the main thread's.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  id_ = thread_.get_id();
  pthread_setname_np(thread_.native_handle(), name.substr(0, 15).c_str());
}

EventLoop::Turn::~Turn() {
  if (thread_.joinable()) {
    post([this] { is_stopping_ = true; });
    thread_.join();
  }
  ::close(epoll_fd_);
  ::close(wake_fd_);
}

void EventLoop::Turn::post(std::function<void()> task) {
  bool is_first = false;
  {
    const std::lock_guard lock(mutex_);
    is_first = posted_.empty();
    posted_.push_back(std::move(task));
  }
  if (!is_first) return;
  const std::uint64_t one = 1;
  // Full only when a wake-up is waiting already.
  [[maybe_unused]] const ssize_t written = ::write(wake_fd_, &one, sizeof one);
}

void EventLoop::Turn::watch(int fd, std::uint32_t events, Watched& owner) {
  const auto [at, is_new] = watches_.try_emplace(fd);
  if (is_new || at->second.owner != &owner) at->second = {&owner, ++generations_};
  epoll_event event{};
  event.events = events;
  event.data.u64 = mark_of(fd, at->second.generation);
  ::epoll_ctl(epoll_fd_, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
}

void EventLoop::Turn::forget(int fd) {
  if (watches_.erase(fd) == 0) return;
  ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
}

EventLoop::TimerId EventLoop::Turn::in(Duration after, std::function<void()> task) {
  const Steady::time_point due = Steady::now() + std::max(after, Duration{0});
  const TimerId id = ++last_timer_;
  timers_.emplace(Due{due, id}, std::move(task));
  due_of_.emplace(id, due);
  return id;
}

void EventLoop::Turn::cancel(TimerId id) {
  const auto at = due_of_.find(id);
  if (at == due_of_.end()) return;
  timers_.erase({at->second, id});
  due_of_.erase(at);
}

void EventLoop::Turn::run() {
  id_ = std::this_thread::get_id();
  while (!is_stopping_) {
    wait();
    run_posted();
    run_due();
  }
}

int EventLoop::Turn::until_next_due() const {
  if (timers_.empty()) return kLongestWait;
  const auto wait = std::chrono::ceil<Duration>(timers_.begin()->first.first - Steady::now());
  return static_cast<int>(std::clamp<Duration::rep>(wait.count(), 0, kLongestWait));
}

void EventLoop::Turn::wait() {
  std::array<epoll_event, kMaxEventsAtOnce> events;
  const int count = ::epoll_wait(epoll_fd_, events.data(), kMaxEventsAtOnce, until_next_due());
  now_ = Steady::now();
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    dispatch(event.data.u64, event.events);
  }
}

void EventLoop::Turn::dispatch(std::uint64_t mark, std::uint32_t events) {
  const int fd = static_cast<int>(mark & 0xffffffffu);
  if (fd == wake_fd_) {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(wake_fd_, &count, sizeof count);
    return;
  }
  const auto at = watches_.find(fd);
  if (at != watches_.end() && at->second.generation == mark >> 32)
    at->second.owner->on_ready(events);
}

void EventLoop::Turn::run_posted() {
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(posted_);
  }
  for (const auto& task : tasks) task();
}

void EventLoop::Turn::run_due() {
  // Only what is due now: a timer that sets another of length 0 does not hold the loop.
  const Due last{now_, last_timer_};
  while (!timers_.empty() && timers_.begin()->first <= last && !is_stopping_) {
    auto node = timers_.extract(timers_.begin());
    due_of_.erase(node.key().second);
    node.mapped()();
  }
}

EventLoop::EventLoop(std::unique_ptr<Turn> turn) : turn_(std::move(turn)) {}
EventLoop::~EventLoop() = default;

Result<std::unique_ptr<EventLoop>> EventLoop::start(const std::string& name) {
  const int epoll_fd = ::epoll_create1(EPOLL_CLOEXEC);
  const int wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  auto turn = std::make_unique<Turn>(epoll_fd, wake_fd);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = mark_of(wake_fd, 0);
  if (epoll_fd < 0 || wake_fd < 0 || ::epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wake_fd, &event) != 0)
    return temporary("no descriptors for an event loop");
  turn->start(name);
  return std::unique_ptr<EventLoop>(new EventLoop(std::move(turn)));
}

void EventLoop::post(std::function<void()> task) { turn_->post(std::move(task)); }
bool EventLoop::is_own_thread() const { return turn_->is_own_thread(); }
void EventLoop::watch(int fd, std::uint32_t events, Watched& owner) {
  turn_->watch(fd, events, owner);
}
void EventLoop::forget(int fd) { turn_->forget(fd); }
EventLoop::TimerId EventLoop::in(Duration after, std::function<void()> task) {
  return turn_->in(after, std::move(task));
}
void EventLoop::cancel(TimerId id) { turn_->cancel(id); }
EventLoop::Steady::time_point EventLoop::now() const { return turn_->now(); }

}  // namespace sluice::backends
