// RedisConnection: one connection to one server. Requests go out in order, as many at once as there
// are; replies come back in the same order.
//
// The first request that is not answered by its deadline ends the connection: the server is frozen
// or away, and what was sent behind it waits in vain.
//
// Threads: the loop's own thread only. Lifetime: it may be closed and dropped in any callback.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "backends/event_loop.h"
#include "backends/redis_client.h"
#include "backends/redis_reader.h"
#include "backends/stream.h"

namespace sluice::backends {

struct RedisAnswer {
  enum class Kind : std::uint8_t {
    Reply,
    NotSent,  // no byte of the request has left this process
    Lost,     // sent, and the connection ended or the time is up
  } kind = Kind::Lost;
  RedisReply reply;
  std::string why;  // without a reply
};

class RedisConnection : public std::enable_shared_from_this<RedisConnection> {
 public:
  using Time = EventLoop::Steady::time_point;
  using Done = std::function<void(RedisAnswer)>;
  struct Events {
    // Once, the last event; what was on the way has been answered before. Not after close().
    std::function<void(const std::string& why)> ended;
    // What comes unasked: messages of channels. Empty: such a reply ends the connection.
    std::function<void(RedisReply)> pushed;
  };

  static std::shared_ptr<RedisConnection> open(EventLoop& loop, const Endpoint& to,
                                               Duration connect_timeout, Events events);
  ~RedisConnection();
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  // Also before the connection stands. `done` is called once, never from within send().
  void send(std::string command, Time deadline, Done done);
  // Answers what is on the way with Lost or NotSent; no event follows.
  void close(const std::string& why);

  std::size_t on_the_way() const { return requests_.size(); }
  bool is_over() const { return is_over_; }

 private:
  struct Request {
    std::uint64_t begins_at = 0;  // in the stream of bytes written
    Time deadline;
    Done done;
  };
  explicit RedisConnection(EventLoop& loop, Events events)
      : loop_(loop), events_(std::move(events)) {}

  void received(std::string_view bytes);
  void take(RedisReply reply);
  void watch_deadline(Time deadline);
  void deadline_came();
  void end(const std::string& why);

  EventLoop& loop_;
  Events events_;
  std::unique_ptr<Stream> stream_;
  RedisReader reader_;
  std::deque<Request> requests_;
  std::uint64_t written_ = 0;
  EventLoop::TimerId timer_ = 0;
  Time timer_at_{};
  bool is_over_ = false;
};

}  // namespace sluice::backends
