// Round: the look-ups a session waits for. Backends complete them from their own threads; the
// session's front end waits here or is woken. The only place where a session meets other threads.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.h"

namespace sluice::engine {

// Held by shared_ptr: a completion that comes after its session ended finds the Round closed and
// does nothing.
class Round : public std::enable_shared_from_this<Round> {
 public:
  // One more completion is awaited. The returned function delivers it: runs `store_result` under
  // the lock if the round is still open (the session has not moved on), then wakes the waiter when
  // it was the last.
  std::function<void(std::function<void()> store_result)> expect();
  std::size_t open() const;
  // Blocks until nothing is open or `until` (steady wait of that length) has passed. Returns true
  // when nothing is open.
  bool wait(Duration at_most);
  // Runs `wake` once (on a backend's thread) when the last one completes; for front ends that park.
  // False: nothing is open any more, `wake` will not run, go on at once. An empty function takes an
  // earlier one back.
  bool on_complete(std::function<void()> wake);
  // Forget what is still open: later completions are dropped.
  void close();

 private:
  mutable std::mutex mutex_;
  std::condition_variable done_;
  std::function<void()> wake_;
  std::size_t open_ = 0;
  std::size_t generation_ = 0;
};

}  // namespace sluice::engine
