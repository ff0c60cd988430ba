#include "backends/redis_caller.h"

#include <algorithm>
#include <future>
#include <utility>

#include "backends/redis_address.h"
#include "backends/redis_slot.h"

namespace sluice::backends {

RedisCaller::RedisCaller(std::unique_ptr<EventLoop> loop, const RedisOptions& options,
                         RedisCredentials credentials, const MakeTopology& make)
    : timeout_(options.timeout),
      log_(options.log),
      credentials_(std::move(credentials)),
      loop_(std::move(loop)) {
  RedisTopology::Setting setting;
  setting.loop = loop_.get();
  setting.node = {&credentials_, options.timeout, options.connect_timeout};
  setting.changed = [this] { changed(); };
  setting.log = [this](std::string line) {
    if (log_) log_(std::move(line));
  };
  topology_ = make(setting);
  loop_->post([this] {
    topology_->start();
    joins_slots_ = topology_->joins_slots();
    tick();
  });
}

RedisCaller::~RedisCaller() {
  std::promise<void> closed;
  loop_->post([this, &closed] {
    close();
    closed.set_value();
  });
  closed.get_future().wait();
}

void RedisCaller::close() {
  is_closing_ = true;
  loop_->cancel(wait_timer_);
  loop_->cancel(tick_timer_);
  topology_->close();
  flush();
  for (const auto& [until, run] : std::exchange(waiting_, {}))
    leave(run, RedisOutcome::NotDone, "the service ends");
  lanes_.clear();
  topology_.reset();
}

// What several sessions ask for in one moment is looked at together.
void RedisCaller::call(std::vector<RedisCall> calls, RedisDone done) {
  if (calls.empty()) return done({});
  bool is_first = false;
  {
    const std::lock_guard lock(asked_mutex_);
    is_first = asked_.empty();
    asked_.push_back({std::move(calls), std::move(done), EventLoop::Steady::now()});
  }
  if (is_first) loop_->post([this] { take_asked(); });
}

void RedisCaller::take_asked() {
  std::vector<Asked> all;
  {
    const std::lock_guard lock(asked_mutex_);
    all.swap(asked_);
  }
  for (Asked& asked : all) begin(std::move(asked));
  flush();
}

void RedisCaller::begin(Asked asked) {
  auto batch = std::make_shared<Batch>();
  batch->results.resize(asked.calls.size());
  batch->missing = asked.calls.size();
  batch->done = std::move(asked.done);
  for (std::size_t i = 0; i < asked.calls.size(); ++i) {
    auto run = std::make_shared<Run>();
    run->call = std::move(asked.calls[i]);
    run->batch = batch;
    run->index = i;
    run->begun = asked.begun;
    run->deadline = asked.begun + timeout_;
    ++counts_.calls;
    budget_.called();
    if (run->call.script == nullptr || run->call.keys.empty()) {
      leave(run, RedisOutcome::NotDone, "a call without script or key");
      continue;
    }
    run->slot = redis_slot(run->call.keys.front());
    dispatch(run);
  }
}

void RedisCaller::dispatch(const RunPtr& run) {
  if (is_closing_) return leave(run, RedisOutcome::NotDone, "the service ends");
  const Time now = EventLoop::Steady::now();
  RedisPlace place = run->at ? topology_->place_at(*run->at) : topology_->place(run->slot);
  if (place.node) {
    const bool is_full = load(*place.node) >= kMaxRedisQueue;
    const auto standing = is_full ? RedisNode::Standing::Down : place.node->admit(now);
    if (standing == RedisNode::Standing::Up) {
      if (now < run->deadline) return enqueue(run, place.node);
      place.why = "no time left";
    } else {
      place.is_worth_waiting = place.is_worth_waiting || standing == RedisNode::Standing::Soon;
      place.why = place.node->at().to_string() + ": " +
                  (is_full                     ? "too many calls on the way"
                   : place.node->why().empty() ? "not connected yet"
                                               : place.node->why());
    }
  }
  if (!run->patience) run->patience = std::min(now + kMaxRedisQueueWait, run->deadline);
  if (place.is_worth_waiting && now < *run->patience && waiting_.size() < kMaxRedisQueue)
    return wait(run, *run->patience, std::move(place.why));
  leave(run, RedisOutcome::NotDone, std::move(place.why));
}

void RedisCaller::failed(const RunPtr& run, const NodePtr& node, const RedisAnswer& answer) {
  const std::string why = node->at().to_string() + ": " + answer.why;
  const bool may_have_run = answer.kind == RedisAnswer::Kind::Lost;
  if (!is_closing_) {
    node->failed(answer.why);
    topology_->lost(*node);
    const bool may_repeat = (!may_have_run || run->call.is_repeatable) && !run->was_repeated;
    if (may_repeat && EventLoop::Steady::now() < run->deadline && budget_.take()) {
      run->was_repeated = true;
      run->at.reset();
      run->is_asking = false;
      return dispatch(run);
    }
  }
  leave(run, may_have_run ? RedisOutcome::Unknown : RedisOutcome::NotDone, why);
}

void RedisCaller::react(const RunPtr& run, const NodePtr& node, RedisReply error) {
  using R = RedisReaction;
  const R reaction = redis_reaction(error.text);
  // What a server refuses with good reason is no fault of it.
  if (reaction != R::Away && reaction != R::BackOff && reaction != R::Forbid) node->succeeded();
  switch (reaction) {
    case R::Answer:
      ++counts_.script_errors;
      return answer(run, std::move(error));
    case R::Move:
    case R::Ask:
      return redirect(run, node, reaction, error.text);
    case R::TryAgain:
      return try_again(run, node, error.text);
    case R::SendScript:  // it was sent whole, and is not known all the same
      return answer(run, std::move(error));
    case R::Follow:
      return follow(run, node, error.text);
    case R::Away:
    case R::BackOff:
      node->failed(error.text);
      break;
    case R::Forbid:
      node->forbidden(error.text);
      break;
    case R::Misuse:
      if (!std::exchange(is_misuse_logged_, true))
        log_line("redis: a call with keys of several slots, please report this: " + error.text);
      break;
    case R::Refuse:
    case R::Rediscover:
      break;
  }
  topology_->told(*node, reaction, error.text);
  leave(run, RedisOutcome::NotDone, node->at().to_string() + ": " + error.text);
}

void RedisCaller::redirect(const RunPtr& run, const NodePtr& node, RedisReaction how,
                           const std::string& error) {
  ++(how == RedisReaction::Move ? counts_.moved : counts_.asked);
  const auto told = parse_redis_redirect(error);
  const auto at = told ? told_endpoint(told->host, told->port, node->at()) : std::nullopt;
  if (!at || run->hops >= kMaxRedisHops)
    return leave(run, RedisOutcome::NotDone,
                 node->at().to_string() + (at ? ": sent on too often: " : ": ") + error);
  topology_->told(*node, how, error);
  ++run->hops;
  run->at = at;
  run->is_asking = how == RedisReaction::Ask;
  dispatch(run);
}

// A slot on its way to another server: what has some of its keys here and some there, or not yet
// anywhere, is refused by both. That takes milliseconds, or, when the move was broken off, for ever.
void RedisCaller::try_again(const RunPtr& run, const NodePtr& node, const std::string& error) {
  ++counts_.tried_again;
  const Time now = EventLoop::Steady::now(), again = now + kRedisTryAgainAfter;
  const std::string why = node->at().to_string() + ": " + error;
  if (is_divided(run->slot, now)) return leave(run, RedisOutcome::NotDone, why);
  if (run->tries >= kMaxRedisTries || again >= run->deadline) {
    take_as_divided(run->slot, now);
    return leave(run, RedisOutcome::NotDone, why);
  }
  ++run->tries;
  run->is_put_off = true;
  waiting_.emplace(again, run);
  watch_waiting();
}

bool RedisCaller::is_divided(int slot, Time now) const {
  const auto known = divided_.find(slot);
  return known != divided_.end() && now < known->second;
}

void RedisCaller::take_as_divided(int slot, Time now) {
  for (auto at = divided_.begin(); at != divided_.end();)
    at = at->second <= now ? divided_.erase(at) : std::next(at);
  if (divided_.size() >= kMaxDividedSlots) return;
  divided_[slot] = now + kRedisDividedFor;
  if (now - divided_told_at_ < kRedisSayAgain) return;
  divided_told_at_ = now;
  log_line("redis: slot " + std::to_string(slot) +
           " is on its way to another server, and calls for it are not done meanwhile");
}

void RedisCaller::follow(const RunPtr& run, const NodePtr& node, const std::string& error) {
  ++counts_.followed;
  topology_->told(*node, RedisReaction::Follow, error);
  if (std::exchange(run->was_repeated, true))
    return leave(run, RedisOutcome::NotDone, node->at().to_string() + ": " + error);
  run->at.reset();
  run->is_asking = false;
  dispatch(run);
}

void RedisCaller::wait(const RunPtr& run, Time until, std::string why) {
  run->why = std::move(why);
  waiting_.emplace(until, run);
  watch_waiting();
}

void RedisCaller::wake() {
  is_changed_ = false;
  if (is_closing_) return;
  publish();
  std::multimap<Time, RunPtr> kept;
  for (auto& [until, run] : std::exchange(waiting_, {})) {
    if (run->is_put_off) {
      kept.emplace(until, run);
    } else {
      dispatch(run);
    }
  }
  waiting_.merge(kept);
  watch_waiting();
  flush();
}

void RedisCaller::wake_due() {
  const Time now = EventLoop::Steady::now();
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    const RunPtr run = waiting_.extract(waiting_.begin()).mapped();
    if (std::exchange(run->is_put_off, false)) {
      dispatch(run);
    } else {
      leave(run, RedisOutcome::NotDone, run->why);
    }
  }
  watch_waiting();
  flush();
}

void RedisCaller::watch_waiting() {
  loop_->cancel(std::exchange(wait_timer_, 0));
  if (waiting_.empty() || is_closing_) return;
  const auto left = std::chrono::ceil<Duration>(waiting_.begin()->first - EventLoop::Steady::now());
  wait_timer_ = loop_->in(left, [this] {
    wait_timer_ = 0;
    wake_due();
  });
}

void RedisCaller::answer(const RunPtr& run, RedisReply reply) {
  count_latency(run->begun);
  finish(run, {RedisOutcome::Answered, std::move(reply), {}});
}

void RedisCaller::leave(const RunPtr& run, RedisOutcome outcome, std::string why) {
  ++(outcome == RedisOutcome::Unknown ? counts_.unknown : counts_.not_done);
  last_bad_ = SystemClock().now();
  last_why_ = why;
  if (!bad_since_) {
    bad_since_ = last_bad_;
    publish();
  }
  finish(run, {outcome, {}, std::move(why)});
}

void RedisCaller::finish(const RunPtr& run, RedisResult result) {
  Batch& batch = *run->batch;
  batch.results[run->index] = std::move(result);
  if (--batch.missing > 0) return;
  batch.done(std::move(batch.results));
}

}  // namespace sluice::backends
