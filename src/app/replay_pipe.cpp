#include "app/replay_pipe.h"

namespace sluice::app {

ReplayPipe::ReplayPipe(std::vector<ReplaySourcePtr>& sources)
    : reader_([this, &sources] { read(sources); }) {}

ReplayPipe::~ReplayPipe() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  reader_.join();
}

// False: nobody wants more.
bool ReplayPipe::hand_over(Batch& batch) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stopped_ || ready_.size() < kBatches; });
  if (stopped_) return false;
  ready_.push_back(std::move(batch));
  batch = Batch();
  changed_.notify_all();
  return true;
}

void ReplayPipe::read(std::vector<ReplaySourcePtr>& sources) {
  Batch batch;
  bool goes_on = true;
  for (const ReplaySourcePtr& source : sources) {
    for (ReplayEvent event; goes_on && source->next(event);) {
      batch.push_back(std::move(event));
      event = ReplayEvent();
      // Messages with their content are large: one at a time.
      if (batch.size() >= kBatch || batch.back().has_content) goes_on = hand_over(batch);
    }
  }
  if (goes_on && !batch.empty()) hand_over(batch);
  const std::lock_guard lock(mutex_);
  at_end_ = true;
  changed_.notify_all();
}

ReplayEvent* ReplayPipe::next() {
  if (position_ < current_.size()) return &current_[position_++];
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return at_end_ || !ready_.empty(); });
  if (ready_.empty()) return nullptr;
  current_ = std::move(ready_.front());
  ready_.pop_front();
  position_ = 1;
  changed_.notify_all();
  return &current_.front();
}

}  // namespace sluice::app
