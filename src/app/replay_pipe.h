// ReplayPipe: reads sources one after the other on a thread of its own, ahead of the one that
// plays, by at most kBatches * kBatch events.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "app/replay_source.h"

namespace sluice::app {

class ReplayPipe {
 public:
  static constexpr std::size_t kBatch = 256, kBatches = 16;

  // `sources` outlive the pipe.
  explicit ReplayPipe(std::vector<ReplaySourcePtr>& sources);
  ~ReplayPipe();
  // nullptr: there is nothing more. Good until the next call.
  ReplayEvent* next();

 private:
  using Batch = std::vector<ReplayEvent>;
  void read(std::vector<ReplaySourcePtr>& sources);
  bool hand_over(Batch& batch);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> ready_;
  bool at_end_ = false, stopped_ = false;
  Batch current_;
  std::size_t position_ = 0;
  std::thread reader_;
};

}  // namespace sluice::app
