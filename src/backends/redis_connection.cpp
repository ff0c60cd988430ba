#include "backends/redis_connection.h"

#include <algorithm>
#include <utility>

namespace sluice::backends {

std::shared_ptr<RedisConnection> RedisConnection::open(EventLoop& loop, const Endpoint& to,
                                                       Duration connect_timeout, Events events) {
  std::shared_ptr<RedisConnection> made(new RedisConnection(loop, std::move(events)));
  RedisConnection* const self = made.get();
  Stream::Options options;
  options.connect_timeout = connect_timeout;
  made->stream_ = Stream::open(loop, to, options,
                               {[] {},
                                [self](std::string_view bytes) { self->received(bytes); },
                                {},
                                [self](StreamEnd how) { self->end(std::string(stream_end_name(how))); }});
  return made;
}

RedisConnection::~RedisConnection() { loop_.cancel(timer_); }

void RedisConnection::send(std::string command, Time deadline, Done done) {
  if (is_over_) {
    RedisAnswer answer{RedisAnswer::Kind::NotSent, {}, "the connection has ended"};
    loop_.post([done = std::move(done), answer = std::move(answer)] { done(answer); });
    return;
  }
  requests_.push_back({written_, deadline, std::move(done)});
  written_ += command.size();
  stream_->write(std::move(command));
  watch_deadline(deadline);
}

void RedisConnection::received(std::string_view bytes) {
  const auto self = shared_from_this();
  reader_.feed(bytes);
  while (!is_over_) {
    auto reply = reader_.next();
    if (!reply) return end(reply.error().what);
    if (!*reply) return;
    take(std::move(**reply));
  }
}

void RedisConnection::take(RedisReply reply) {
  if (requests_.empty()) {
    // A server that has no room or no trust says so unasked, and closes.
    if (reply.kind == RedisReply::Kind::Error) return end(reply.text);
    if (!events_.pushed) return end("a reply to nothing");
    return events_.pushed(std::move(reply));
  }
  const Done done = std::move(requests_.front().done);
  requests_.pop_front();
  done({RedisAnswer::Kind::Reply, std::move(reply), {}});
}

// One timer, at the earliest deadline or before.
void RedisConnection::watch_deadline(Time deadline) {
  if (timer_ != 0 && timer_at_ <= deadline) return;
  loop_.cancel(timer_);
  timer_at_ = deadline;
  const auto left = std::chrono::ceil<Duration>(deadline - EventLoop::Steady::now());
  timer_ = loop_.in(left, [this] {
    timer_ = 0;
    deadline_came();
  });
}

void RedisConnection::deadline_came() {
  if (requests_.empty()) return;
  const Request& next =
      *std::min_element(requests_.begin(), requests_.end(),
                        [](const Request& a, const Request& b) { return a.deadline < b.deadline; });
  if (next.deadline > EventLoop::Steady::now()) return watch_deadline(next.deadline);
  end("no reply in time");
}

void RedisConnection::end(const std::string& why) {
  if (is_over_) return;
  const auto self = shared_from_this();
  close(why);
  if (const auto ended = std::exchange(events_.ended, nullptr)) ended(why);
}

void RedisConnection::close(const std::string& why) {
  if (is_over_) return;
  const auto self = shared_from_this();
  is_over_ = true;
  loop_.cancel(std::exchange(timer_, 0));
  const std::uint64_t sent = written_ - stream_->unsent();
  stream_->close();
  for (const Request& request : std::exchange(requests_, {})) {
    const bool has_left = request.begins_at < sent;
    request.done({has_left ? RedisAnswer::Kind::Lost : RedisAnswer::Kind::NotSent, {}, why});
  }
}

}  // namespace sluice::backends
