#include "backends/scan_job.h"

#include <algorithm>

namespace sluice::backends {

ScanJob::ScanJob(std::shared_ptr<ScanDesk> desk, std::shared_ptr<const ScanEnvelope> envelope)
    : desk_(std::move(desk)), envelope_(std::move(envelope)) {}

// --- the session's thread ---

bool ScanJob::feed(std::string bytes) {
  const ScannerOptions& options = desk_->options();
  const std::size_t most = options.message_bytes;
  if (most != 0 && fed_ + bytes.size() > most) bytes.resize(most - std::min(most, fed_));
  fed_ += bytes.size();
  if (!bytes.empty()) {
    {
      const std::lock_guard lock(mutex_);
      if (options.streams && held_bytes_ >= options.window_bytes) is_overrun_ = true;
      if (is_overrun_) return false;
      held_bytes_ += bytes.size();
    }
    desk_->loop().post([self = shared_from_this(), piece = std::move(bytes)]() mutable {
      self->take(std::move(piece));
    });
  }
  return most == 0 || fed_ < most;
}

bool ScanJob::await_room(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  if (!desk_->options().streams || held_bytes_ < desk_->options().window_bytes) return false;
  wake_ = std::move(wake);
  return true;
}

void ScanJob::finish(TimePoint deadline, Done done) {
  desk_->loop().post([self = shared_from_this(), deadline, done = std::move(done)]() mutable {
    self->finish_here(deadline, std::move(done));
  });
}

void ScanJob::give_up() {
  desk_->loop().post([self = shared_from_this()] {
    self->done_ = nullptr;
    if (self->state_ == State::Talking && self->stream_) self->desk_->given_up(self->address_);
    self->over(temporary("the message went away"));
  });
}

// --- the loop's thread ---

void ScanJob::release(std::size_t bytes) {
  std::function<void()> wake;
  {
    const std::lock_guard lock(mutex_);
    held_bytes_ -= std::min(held_bytes_, bytes);
    if (held_bytes_ < desk_->options().window_bytes) wake.swap(wake_);
  }
  if (wake) wake();
}

void ScanJob::take(std::string bytes) {
  if (state_ == State::Over) return release(bytes.size());
  taken_ += bytes.size();
  held_.push_back(std::move(bytes));
  const ScannerOptions& options = desk_->options();
  if (!options.streams) return;
  if (taken_ >= options.window_bytes) drop_sent();
  if (state_ == State::Holding && taken_ >= options.window_bytes / 2) ask_for_place();
  if (state_ == State::Talking) send();
}

void ScanJob::drop_sent() {
  std::size_t bytes = 0;
  for (; sent_ > 0; --sent_) {
    bytes += held_.front().size();
    held_.pop_front();
    is_dropped_ = true;
  }
  if (bytes > 0) release(bytes);
}

void ScanJob::finish_here(TimePoint deadline, Done done) {
  done_ = std::move(done);
  is_finished_ = true;
  bool is_overrun = false;
  {
    const std::lock_guard lock(mutex_);
    is_overrun = is_overrun_;
  }
  if (state_ == State::Over) {
    desk_->ended(outcome_->has_value());
    if (const Done told = std::move(done_)) told(*outcome_);
    return;
  }
  if (is_overrun) return too_late();
  deadline_timer_ = desk_->loop().in(deadline - desk_->clock().now(), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->deadline_timer_ = 0;
    self->too_late();
  });
  if (state_ == State::Holding) ask_for_place();
  if (state_ == State::Talking) {
    wait_for_answer();
    send();
  }
}

void ScanJob::ask_for_place() {
  if (desk_->is_closed()) return end("the scanner is closed");
  state_ = State::Waiting;
  if (!desk_->take_place(shared_from_this())) end("too many messages wait for the scanner");
}

void ScanJob::talk() {
  if (state_ != State::Waiting) return desk_->leave_place(*this);
  state_ = State::Talking;
  tried_.assign(desk_->options().addresses.size(), false);
  connect();
}

void ScanJob::connect() {
  const auto address = desk_->pick(tried_);
  if (!address) return over(temporary(last_failure_));
  address_ = *address;
  tried_[address_] = true;
  sent_ = 0;
  has_tail_ = false;
  reply_ = desk_->protocol().reply();
  Stream::Options options;
  options.connect_timeout = desk_->options().connect_timeout;
  Stream::Events events;
  const auto told = [weak = weak_from_this()](auto member) {
    return [weak, member](auto... what) {
      if (const auto self = weak.lock()) ((*self).*member)(what...);
    };
  };
  events.received = told(&ScanJob::received);
  events.drained = told(&ScanJob::drained);
  events.ended = told(&ScanJob::closed);
  stream_ =
      Stream::open(desk_->loop(), desk_->options().addresses[address_], options, std::move(events));
  wait_for_answer();
  is_sending_ = true;
  stream_->write(desk_->protocol().head(*envelope_, is_finished_ ? taken_ : 0));
}

// The server has the timeout for its answer from when it could have all of the message.
void ScanJob::wait_for_answer() {
  desk_->loop().cancel(answer_timer_);
  answer_timer_ = 0;
  asked_ = EventLoop::Steady::now();
  if (!is_finished_) return;
  const Duration timeout = desk_->options().timeout;
  answer_timer_ = desk_->loop().in(timeout, [weak = weak_from_this(), timeout] {
    const auto self = weak.lock();
    if (!self) return;
    self->answer_timer_ = 0;
    self->attempt_failed("no answer within " + std::to_string(timeout.count()) + " ms");
  });
}

void ScanJob::send() {
  if (state_ != State::Talking || is_sending_ || !stream_) return;
  std::string bytes;
  while (sent_ < held_.size() && bytes.size() < kSentAtOnce)
    bytes += desk_->protocol().piece(held_[sent_++]);
  if (sent_ == held_.size() && is_finished_ && !has_tail_) {
    has_tail_ = true;
    bytes += desk_->protocol().tail();
  }
  if (bytes.empty()) return;
  is_sending_ = true;
  stream_->write(std::move(bytes));
}

void ScanJob::drained() {
  is_sending_ = false;
  if (desk_->options().streams && taken_ >= desk_->options().window_bytes) drop_sent();
  send();
}

void ScanJob::received(std::string_view bytes) {
  if (state_ != State::Talking || !reply_) return;
  if (auto outcome = reply_->feed(bytes)) settle(*outcome);
}

void ScanJob::closed(StreamEnd how) {
  if (state_ != State::Talking || !reply_) return;
  if (how == StreamEnd::Closed) return settle(reply_->close());
  attempt_failed(std::string(stream_end_name(how)));
}

void ScanJob::settle(const Result<ScanFindings>& outcome) {
  if (!outcome && outcome.error().cause == Cause::Temporary)
    return attempt_failed(outcome.error().what);
  desk_->succeeded(address_);
  over(outcome);
}

void ScanJob::attempt_failed(const std::string& what) {
  desk_->failed(address_, what);
  last_failure_ = what;
  stream_.reset();
  reply_.reset();
  if (is_dropped_) return over(temporary(what));
  connect();
}

// Not the server's fault when it was asked just before.
void ScanJob::too_late() {
  if (state_ == State::Talking && stream_) {
    const bool had_time = EventLoop::Steady::now() - asked_ >= desk_->options().timeout / 2;
    if (had_time) desk_->failed(address_, "no answer in time");
    if (!had_time) desk_->given_up(address_);
  }
  over(temporary("no answer in time"));
}

void ScanJob::end(std::string why) {
  if (state_ == State::Talking && stream_) desk_->given_up(address_);
  over(temporary(std::move(why)));
}

void ScanJob::over(Result<ScanFindings> outcome) {
  if (state_ == State::Over) return;
  const auto self = shared_from_this();
  const bool had_place = state_ == State::Talking || state_ == State::Waiting;
  state_ = State::Over;
  stream_.reset();
  reply_.reset();
  desk_->loop().cancel(std::exchange(deadline_timer_, 0));
  desk_->loop().cancel(std::exchange(answer_timer_, 0));
  held_.clear();
  sent_ = 0;
  outcome_ = std::move(outcome);
  if (had_place) desk_->leave_place(*this);
  release(~std::size_t{0});
  if (const Done told = std::exchange(done_, nullptr)) {
    desk_->ended(outcome_->has_value());
    told(*outcome_);
  }
}

}  // namespace sluice::backends
