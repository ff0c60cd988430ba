// Lookup: one question to a backend. The backend delivers from its own thread, the session reads on
// its own; a look-up that nobody waits for any more still keeps its answer for whoever asks later
// in the session.
#pragma once
#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace sluice::engine {

template <class Answer>
class Lookup {
 public:
  // Any thread; the first delivery counts.
  void deliver(Answer answer) {
    std::vector<std::function<void()>> waiters;
    {
      std::lock_guard lock(mutex_);
      if (answer_) return;
      answer_ = std::move(answer);
      waiters.swap(waiters_);
    }
    for (const auto& wake : waiters) wake();
  }
  // nullptr: not there yet. What it points to never changes again.
  const Answer* get() const {
    std::lock_guard lock(mutex_);
    return answer_ ? &*answer_ : nullptr;
  }
  // Runs `wake` once when the answer comes. False: it is there already, `wake` is not kept.
  bool await(std::function<void()> wake) {
    std::lock_guard lock(mutex_);
    if (answer_) return false;
    waiters_.push_back(std::move(wake));
    return true;
  }

 private:
  mutable std::mutex mutex_;
  std::optional<Answer> answer_;
  std::vector<std::function<void()>> waiters_;
};

}  // namespace sluice::engine
