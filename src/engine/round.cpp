#include "engine/round.h"

#include <utility>

namespace sluice::engine {

std::function<void(std::function<void()>)> Round::expect() {
  std::lock_guard lock(mutex_);
  ++open_;
  return [round = shared_from_this(),
          generation = generation_](const std::function<void()>& store_result) {
    std::function<void()> wake;
    {
      std::lock_guard inner(round->mutex_);
      if (round->generation_ != generation) return;
      if (store_result) store_result();
      if (--round->open_ == 0) {
        round->done_.notify_all();
        wake = std::move(round->wake_);
        round->wake_ = nullptr;
      }
    }
    if (wake) wake();
  };
}

std::size_t Round::open() const {
  std::lock_guard lock(mutex_);
  return open_;
}

bool Round::wait(Duration at_most) {
  std::unique_lock lock(mutex_);
  return done_.wait_for(lock, at_most, [this] { return open_ == 0; });
}

bool Round::on_complete(std::function<void()> wake) {
  std::lock_guard lock(mutex_);
  if (open_ == 0) return false;
  wake_ = std::move(wake);
  return true;
}

void Round::close() {
  std::lock_guard lock(mutex_);
  ++generation_;
  open_ = 0;
  wake_ = nullptr;
}

}  // namespace sluice::engine
