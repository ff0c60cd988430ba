// Doorbell: lets other threads post to an event loop that may end before them. After disconnect()
// what they post is dropped.
#pragma once
#include <functional>
#include <mutex>
#include <utility>

#include "backends/event_loop.h"

namespace sluice::milter::wire {

class Doorbell {
 public:
  explicit Doorbell(backends::EventLoop& loop) : loop_(&loop) {}
  void post(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    if (loop_ != nullptr) loop_->post(std::move(task));
  }
  void disconnect() {
    const std::lock_guard lock(mutex_);
    loop_ = nullptr;
  }

 private:
  std::mutex mutex_;
  backends::EventLoop* loop_;
};

}  // namespace sluice::milter::wire
