#include "backends/redis_node.h"

#include <algorithm>
#include <utility>

#include "backends/redis_command.h"
#include "backends/redis_reaction.h"

namespace sluice::backends {
namespace {

// A connection that lasted so long was a good one: the next is made at once.
constexpr Duration kGoodConnection{1'000};

}  // namespace

RedisNode::RedisNode(EventLoop& loop, const Endpoint& at, const Settings& settings, Changed changed)
    : loop_(loop),
      at_(at),
      settings_(settings),
      changed_(std::move(changed)),
      random_(std::random_device{}()) {}

RedisNode::~RedisNode() { loop_.cancel(timer_); }

std::shared_ptr<RedisNode> RedisNode::start(EventLoop& loop, const Endpoint& at,
                                            const Settings& settings, Changed changed) {
  std::shared_ptr<RedisNode> node(new RedisNode(loop, at, settings, std::move(changed)));
  node->connect();
  return node;
}

RedisNode::Standing RedisNode::standing(Time now) const {
  if (state_ == State::Connecting) return failed_attempts_ == 0 ? Standing::Soon : Standing::Down;
  if (state_ != State::Ready) return Standing::Down;
  if (connection_->is_over()) return Standing::Soon;  // ended() is about to be told
  if (breaker_.state() == RedisBreaker::State::Closed || breaker_.is_probe_due(now))
    return Standing::Up;
  return breaker_.state() == RedisBreaker::State::HalfOpen ? Standing::Soon : Standing::Down;
}

RedisNode::Standing RedisNode::admit(Time now) {
  const Standing is = standing(now);
  if (is != Standing::Up) return is;
  if (on_the_way() >= kMaxRedisQueue) return Standing::Down;
  breaker_.admits(now);
  return Standing::Up;
}

bool RedisNode::is_well() const {
  return state_ == State::Ready && !connection_->is_over() &&
         breaker_.state() == RedisBreaker::State::Closed;
}

void RedisNode::send(std::string command, Time deadline, RedisConnection::Done done) {
  connection_->send(std::move(command), deadline, std::move(done));
}

void RedisNode::failed(const std::string& why) {
  why_ = why;
  const auto before = breaker_.state();
  breaker_.failed(EventLoop::Steady::now());
  if (before != breaker_.state()) tell_changed();
}

void RedisNode::succeeded() {
  const auto before = breaker_.state();
  breaker_.succeeded(EventLoop::Steady::now());
  if (before == breaker_.state()) return;
  is_forbidden_ = false;
  why_.clear();
  tell_changed();
}

// What is on the way is still answered; rights go with the connection, so a new one is made then,
// with the password as it stands then.
void RedisNode::forbidden(const std::string& why) {
  why_ = why;
  is_forbidden_ = true;
  breaker_.open_for(EventLoop::Steady::now(), kRedisForbiddenRest);
  loop_.cancel(timer_);
  timer_ = loop_.in(kRedisForbiddenRest, [this] {
    timer_ = 0;
    drop_connection(why_);
    is_forbidden_ = false;  // from here on an attempt like any other; a refusal says so again
    connect();
  });
  tell_changed();
}

void RedisNode::drop_connection(const std::string& why) {
  state_ = State::Waiting;
  if (const auto old = std::exchange(connection_, nullptr)) old->close(why);
}

void RedisNode::connect_in(Duration wait) {
  loop_.cancel(timer_);
  timer_ = loop_.in(wait, [this] {
    timer_ = 0;
    connect();
  });
}

void RedisNode::connect() {
  if (state_ == State::Closed || is_retired_) return;
  state_ = State::Connecting;
  role_ = {};
  is_check_under_way_ = false;
  const std::weak_ptr<RedisNode> weak = weak_from_this();
  connection_ = RedisConnection::open(loop_, at_, settings_.connect_timeout,
                                      {[weak](const std::string& why) {
                                         if (const auto self = weak.lock()) self->ended(why);
                                       },
                                       {}});
  greet();
}

void RedisNode::greet() {
  const Time deadline = EventLoop::Steady::now() + settings_.connect_timeout;
  const auto ask = [&](std::string command, bool is_last) {
    connection_->send(
        std::move(command), deadline,
        [weak = weak_from_this(), is_last, of = connection_.get()](RedisAnswer answer) {
          const auto self = weak.lock();
          if (self && self->connection_.get() == of) self->greeted(std::move(answer), is_last);
        });
  };
  if (!settings_.credentials->is_empty()) ask(settings_.credentials->auth_command(), false);
  ask(redis_command({"PING"}), false);
  ask(redis_command({"ROLE"}), true);
}

void RedisNode::greeted(RedisAnswer answer, bool is_last) {
  if (answer.kind != RedisAnswer::Kind::Reply) return;  // ended() follows
  // Who may not ask ROLE is told so on the first call that needs to know.
  if (is_last) {
    take_role(answer.reply);
    return became_ready();
  }
  if (answer.reply.kind != RedisReply::Kind::Error) return;
  const std::string why = answer.reply.text;
  drop_connection(why);
  ++failed_attempts_;
  if (redis_reaction(why) == RedisReaction::Forbid) {
    // It may have been changed since; a file that cannot be read leaves the one we know.
    (void)settings_.credentials->read();
    return forbidden(why);
  }
  if (redis_reaction(why) == RedisReaction::BackOff) backoff_.raise_to(RedisBackoff::kLongest);
  ended(why);
}

// A server that is busy, or that we may not ask, has said nothing new.
void RedisNode::take_role(const RedisReply& reply) {
  if (reply.kind != RedisReply::Kind::Error) role_ = parse_redis_role(reply, at_);
}

void RedisNode::became_ready() {
  state_ = State::Ready;
  ready_since_ = EventLoop::Steady::now();
  ++connects_;
  failed_attempts_ = 0;
  breaker_.probe_soon(ready_since_);
  if (breaker_.state() == RedisBreaker::State::Closed) why_.clear();
  check_in_a_second();
  tell_changed();
}

void RedisNode::check_in_a_second() {
  if (is_forbidden_ && timer_ != 0) return;  // a new connection is due before
  loop_.cancel(timer_);
  timer_ = loop_.in(kRedisCheckEvery, [this] {
    timer_ = 0;
    check();
  });
}

void RedisNode::ended(const std::string& why) {
  if (state_ == State::Closed) return;
  why_ = why;
  connection_.reset();
  const Time now = EventLoop::Steady::now();
  const bool was_good =
      state_ == State::Ready && !is_forbidden_ && now - ready_since_ >= kGoodConnection;
  state_ = State::Waiting;
  if (is_forbidden_) return tell_changed();  // its timer runs
  if (was_good) {
    backoff_.reset();
    connect();
  } else {
    ++failed_attempts_;
    connect_in(backoff_.next(static_cast<std::uint32_t>(random_())));
  }
  tell_changed();
}

void RedisNode::assume_replica() {
  role_.kind = RedisRole::Kind::Replica;
  check_soon();
}

void RedisNode::check_soon() {
  if (state_ != State::Ready || is_check_under_way_) return;
  loop_.cancel(std::exchange(timer_, 0));
  check();
}

void RedisNode::check() {
  const Time deadline = EventLoop::Steady::now() + settings_.timeout;
  const auto weak = weak_from_this();
  const RedisConnection* of = connection_.get();
  is_check_under_way_ = true;
  connection_->send(redis_command({"PING"}), deadline, [weak, of](const RedisAnswer& answer) {
    const auto self = weak.lock();
    if (!self || self->connection_.get() != of) return;
    if (answer.kind == RedisAnswer::Kind::Reply && answer.reply.kind == RedisReply::Kind::Error)
      self->failed(answer.reply.text);
  });
  connection_->send(redis_command({"ROLE"}), deadline, [weak, of](const RedisAnswer& answer) {
    const auto self = weak.lock();
    if (!self || self->connection_.get() != of || answer.kind != RedisAnswer::Kind::Reply) return;
    self->is_check_under_way_ = false;
    const RedisRole before = self->role_;
    self->take_role(answer.reply);
    self->check_in_a_second();
    if (before.kind != self->role_.kind || before.master != self->role_.master)
      self->tell_changed();
  });
}

void RedisNode::retire() {
  is_retired_ = true;
  if (state_ == State::Ready && on_the_way() > 0) {
    loop_.cancel(timer_);
    timer_ = loop_.in(settings_.timeout, [this] {
      timer_ = 0;
      close("no longer in use");
    });
    return;
  }
  close("no longer in use");
}

void RedisNode::close(const std::string& why) {
  state_ = State::Closed;
  loop_.cancel(std::exchange(timer_, 0));
  if (const auto old = std::exchange(connection_, nullptr)) old->close(why);
}

void RedisNode::tell_changed() {
  loop_.post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && self->state_ != State::Closed && !self->is_retired_) self->changed_(*self);
  });
}

RedisNodeHealth RedisNode::health() const {
  return {at_.to_string(), std::string(redis_role_name(role_.kind)),
          std::string(redis_breaker_name(breaker_.state())), state_ == State::Ready, why_};
}

void RetiredRedisNodes::retire(const std::shared_ptr<RedisNode>& node) {
  node->retire();
  nodes_.erase(
      std::remove_if(nodes_.begin(), nodes_.end(), [](const auto& each) { return each.expired(); }),
      nodes_.end());
  nodes_.push_back(node);
}

void RetiredRedisNodes::close() {
  for (const auto& each : nodes_)
    if (const auto node = each.lock()) node->close("the service ends");
}

}  // namespace sluice::backends
