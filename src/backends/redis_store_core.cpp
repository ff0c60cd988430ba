#include "backends/redis_store_core.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <type_traits>
#include <utility>

namespace sluice::backends {

namespace {

constexpr std::size_t kMostCallsAtOnce = 256;  // a fraction of a server's queue
constexpr Duration kDefaultRetryWithin = std::chrono::hours(48);
constexpr Duration kMarginBeyondRetry = std::chrono::hours(1);

template <class T, class... Others>
constexpr bool is_one_of = (std::is_same_v<T, Others> || ...);

template <class Op>
constexpr bool is_list_write = is_one_of<Op, ListAdd, ListRemove>;
template <class Op>
constexpr bool is_read = is_one_of<Op, Peek, GreylistLook, ListContains, Seen>;

bool has_too_many_windows(const StateOp& op) {
  return std::visit(
      [](const auto& one) {
        if constexpr (requires { one.windows; })
          return one.windows.size() > kMaxWindows;
        else
          return false;
      },
      op);
}

StateAnswer not_available(bool unsure = false) {
  StateAnswer answer;
  answer.available = false;
  answer.unsure = unsure;
  return answer;
}

}  // namespace

RedisStoreCore::RedisStoreCore(std::unique_ptr<RedisClient> client, RedisStoreOptions options)
    : options_(std::move(options)),
      keys_(options_.pepper, options_.groups),
      client_(std::move(client)),
      longest_retry_(kDefaultRetryWithin) {}

void RedisStoreCore::close() {
  is_closing_ = true;
  client_.reset();
}

namespace {

std::vector<RedisResult> not_done(std::size_t calls) {
  std::vector<RedisResult> nothing(calls);
  for (auto& result : nothing) result.why = "closing";
  return nothing;
}

}  // namespace

// All waves of a long list of calls, one behind the other.
struct RedisStoreCore::Waves {
  std::vector<RedisCall> calls;
  std::vector<RedisResult> results;
  RedisDone done;
};

void RedisStoreCore::send_wave(const std::shared_ptr<Waves>& waves) {
  const std::size_t from = waves->results.size();
  if (from == waves->calls.size()) return waves->done(std::move(waves->results));
  const auto first = waves->calls.begin() + static_cast<std::ptrdiff_t>(from);
  const auto count = std::min(kMostCallsAtOnce, waves->calls.size() - from);
  std::vector<RedisCall> wave(std::make_move_iterator(first),
                              std::make_move_iterator(first + static_cast<std::ptrdiff_t>(count)));
  // The client that ends answers the wave at hand and takes no more calls: call() knows.
  call(std::move(wave), [this, waves](std::vector<RedisResult> results) {
    std::move(results.begin(), results.end(), std::back_inserter(waves->results));
    send_wave(waves);
  });
}

void RedisStoreCore::call(std::vector<RedisCall> calls, RedisDone done) {
  if (is_closing_) return done(not_done(calls.size()));
  if (calls.size() <= kMostCallsAtOnce) return client_->call(std::move(calls), std::move(done));
  auto waves = std::make_shared<Waves>();
  waves->calls = std::move(calls);
  waves->done = std::move(done);
  send_wave(waves);
}

std::vector<RedisResult> RedisStoreCore::call_and_wait(std::vector<RedisCall> calls) {
  auto answered = std::make_shared<std::promise<std::vector<RedisResult>>>();
  auto results = answered->get_future();
  call(std::move(calls),
       [answered](std::vector<RedisResult> all) { answered->set_value(std::move(all)); });
  return results.get();
}

RedisCallSettings RedisStoreCore::settings() const {
  RedisCallSettings settings;
  settings.resolution = options_.server_clock ? Duration{0} : kRedisClockResolution;
  if (options_.server_clock)
    settings.time = std::to_string(options_.server_clock->now().time_since_epoch().count());
  settings.margin = longest_retry_ + kMarginBeyondRetry;
  settings.names = options_.names;
  return settings;
}

Duration RedisStoreCore::moment() const {
  if (options_.server_clock) return test_time_.last().time_since_epoch();
  return std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - started_);
}

// Planning.

void RedisStoreCore::submit(std::vector<StateOp> ops, StateDone done, bool wants_news) {
  auto work = std::make_shared<RedisSubmission>();
  work->wants_news = wants_news;
  work->ops = std::move(ops);
  work->done = std::move(done);
  work->answers.resize(work->ops.size());
  work->parts.resize(work->ops.size());
  work->asks_lists = std::any_of(work->ops.begin(), work->ops.end(), [](const auto& op) {
    return std::holds_alternative<ListContains>(op);
  });
  bool has_to_read = false;
  {
    const std::lock_guard lock(mutex_);
    if (options_.server_clock) test_time_.advance(options_.server_clock->now());
    has_to_read = work->asks_lists && !lists_are_complete_;
  }
  // What is asked of lists is asked before what this submission changes.
  if (!has_to_read) return send(work);
  read_all_lists([self = shared_from_this(), work](bool) { self->send(work); });
}

void RedisStoreCore::send(const RedisSubmissionPtr& work) {
  std::vector<RedisCall> calls;
  bool wants_news = false;
  {
    const std::lock_guard lock(mutex_);
    work->moment = moment();
    const auto shared = settings();
    RedisRequest request(keys_, shared);
    plan(*work, request);
    list_writes_ += work->list_writes;
    calls = request.take();
    wants_news = (work->asks_lists || !denials_.empty()) && !work->news && !news_is_underway_ &&
                 !is_fresh(kRedisNewsAge / 2);
  }
  if (calls.empty()) {
    finish(work, true);
  } else {
    call(std::move(calls), [self = shared_from_this(), work](std::vector<RedisResult> results) {
      self->answered(work, std::move(results));
    });
  }
  if (wants_news) fetch_news();
}

// News are asked in front of everything: what this submission changes is not among them.
void RedisStoreCore::plan(RedisSubmission& work, RedisRequest& request) {
  for (const auto& op : work.ops) {
    if (const auto* look = std::get_if<GreylistLook>(&op))
      longest_retry_ = std::max(longest_retry_, look->retry_within);
  }
  const bool misses_news = work.wants_news || (work.asks_lists && !lists_are_usable()) ||
                           (!denials_.empty() && !is_fresh(kRedisNewsAge));
  if (misses_news) work.news = request.add_news(version_);
  for (std::size_t i = 0; i < work.ops.size(); ++i) {
    if (answer_from_memory(work, i)) continue;
    auto& parts = work.parts[i];
    std::visit(
        [&](const auto& op) {
          using Op = std::decay_t<decltype(op)>;
          if constexpr (std::is_same_v<Op, ListAdd>)
            parts.first = request.add(op, kMaxListEntries);
          else if constexpr (!std::is_same_v<Op, ListContains>)
            parts.first = request.add(op);
          if constexpr (is_list_write<Op>) ++work.list_writes;
          if constexpr (std::is_same_v<Op, GreylistLook>) {
            if (!op.auto_key.empty()) parts.second = request.add_auto(op);
          }
          if constexpr (std::is_same_v<Op, GreylistPromote>) {
            if (!op.auto_key.empty() && op.auto_after > 0) parts.second = request.add_auto(op);
          }
        },
        work.ops[i]);
  }
}

// Too many windows, or a refusal that is known to hold.
bool RedisStoreCore::answer_from_memory(RedisSubmission& work, std::size_t i) {
  auto& answer = work.answers[i];
  if (has_too_many_windows(work.ops[i])) {
    answer = not_available();
    return true;
  }
  if (!options_.deny_cache || !is_fresh(kRedisNewsAge)) return false;
  std::optional<StateAnswer> known;
  if (const auto* reserve = std::get_if<Reserve>(&work.ops[i]))
    known = denials_.find(*reserve, work.moment);
  if (const auto* peek = std::get_if<Peek>(&work.ops[i])) known = denials_.find(*peek, work.moment);
  if (!known) return false;
  ++remembered_denials_;
  answer = *known;
  return true;
}

// Answers.

void RedisStoreCore::answered(const RedisSubmissionPtr& work, std::vector<RedisResult> results) {
  work->results = std::move(results);
  bool lists_are_known = true, has_to_read = false;
  {
    const std::lock_guard lock(mutex_);
    const bool has_news =
        work->news && take_news(work->results[work->news->call], work->news->answer);
    if (work->asks_lists && work->news) {
      lists_are_known = has_news;
      has_to_read = has_news && !lists_are_complete_;
    }
  }
  if (!has_to_read) return finish(work, lists_are_known);
  read_all_lists(
      [self = shared_from_this(), work](bool is_known) { self->finish(work, is_known); });
}

void RedisStoreCore::finish(const RedisSubmissionPtr& work, bool lists_are_known) {
  bool has_passes_to_write = false, has_to_read = false;
  {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < work->ops.size(); ++i) {
      const bool is_local = !work->parts[i].first;
      if (!is_local || std::holds_alternative<ListContains>(work->ops[i])) {
        work->answers[i] = answer_of(*work, i, lists_are_known);
        note(*work, i, work->answers[i]);
      }
      if (!work->answers[i].available) ++not_available_;
    }
    list_writes_ -= work->list_writes;
    const bool is_there =
        std::any_of(work->results.begin(), work->results.end(),
                    [](const auto& result) { return result.outcome == RedisOutcome::Answered; });
    has_passes_to_write = is_there && !kept_passes_.empty() && !kept_passes_underway_;
    has_to_read = std::exchange(lists_are_old_, false) && waiting_for_lists_.empty();
  }
  work->done(std::move(work->answers));
  if (has_to_read) read_all_lists([](bool) {});
  if (has_passes_to_write) write_kept_passes();
}

namespace {

// One operation's answer from its replies; nullopt: not available.
struct AnswerReader {
  const RedisReply& first;
  const RedisReply* second;

  std::optional<StateAnswer> operator()(const Reserve&) const { return limit_answer(first); }
  std::optional<StateAnswer> operator()(const Peek&) const { return limit_answer(first); }
  std::optional<StateAnswer> operator()(const Seen&) const { return seen_answer(first); }
  std::optional<StateAnswer> operator()(const GreylistLook& op) const {
    auto answer = look_answer(first);
    if (op.auto_key.empty() || (answer && answer->greylist == GreylistState::Passed)) return answer;
    const auto allowed = second ? auto_answer(*second) : std::nullopt;
    if (!allowed) return std::nullopt;
    if (!*allowed) return answer;
    StateAnswer passes;
    passes.greylist = GreylistState::AutoAllowed;
    return passes;
  }
  template <class Op>
  std::optional<StateAnswer> operator()(const Op&) const {
    return settled_answer(first);
  }
};

}  // namespace

StateAnswer RedisStoreCore::answer_of(const RedisSubmission& work, std::size_t i,
                                      bool lists_are_known) {
  const auto& op = work.ops[i];
  if (std::holds_alternative<ListContains>(op)) return list_answer(work, i, lists_are_known);
  const auto& parts = work.parts[i];
  const auto& result = work.results[parts.first->call];
  const auto* first = answer_at(result, parts.first->answer);
  const auto* second =
      parts.second ? answer_at(work.results[parts.second->call], parts.second->answer) : nullptr;
  if (first) {
    if (const auto answer = std::visit(AnswerReader{*first, second}, op)) {
      take_list_write(op, *first);
      return *answer;
    }
  }
  const bool reads = std::visit([](const auto& one) { return is_read<std::decay_t<decltype(one)>>; },
                                op);
  // An error of the script may have come behind its first write.
  return not_available(!reads && result.outcome != RedisOutcome::NotDone);
}

void RedisStoreCore::note(const RedisSubmission& work, std::size_t i, const StateAnswer& answer) {
  const auto& op = work.ops[i];
  if (const auto* reserve = std::get_if<Reserve>(&op)) {
    const bool holds = answer.available && (answer.granted || reserve->even_if_exceeded);
    if (holds && options_.deny_cache) denials_.hold(reserve->id);
    // Asked before the last reset was heard of: perhaps it does not hold any more.
    if (options_.deny_cache && work.moment >= epoch_changed_)
      denials_.remember(*reserve, answer, work.moment);
  } else if (const auto* peek = std::get_if<Peek>(&op)) {
    if (options_.deny_cache && work.moment >= epoch_changed_)
      denials_.remember(*peek, answer, work.moment);
  } else if (const auto* commit = std::get_if<Commit>(&op)) {
    denials_.settle(commit->id);
  } else if (const auto* release = std::get_if<Release>(&op)) {
    denials_.settle(release->id);
  } else if (std::holds_alternative<GreylistPromote>(op)) {
    keep_pass(work, i);
  }
}

// Passes that could not be written.

void RedisStoreCore::keep_pass(const RedisSubmission& work, std::size_t i) {
  const auto& parts = work.parts[i];
  if (work.results[parts.first->call].outcome != RedisOutcome::NotDone) return;
  if (kept_passes_.size() >= kMaxKeptPasses) kept_passes_.pop_front();
  kept_passes_.push_back({std::get<GreylistPromote>(work.ops[i]), work.moment});
}

void RedisStoreCore::write_kept_passes() {
  std::vector<StateOp> ops;
  {
    const std::lock_guard lock(mutex_);
    kept_passes_underway_ = true;
    while (!kept_passes_.empty() && ops.size() < kMostCallsAtOnce / 2) {
      auto& kept = kept_passes_.front();
      kept.op.remember -= moment() - kept.since;
      kept.op.auto_for -= moment() - kept.since;
      if (kept.op.remember > Duration{0}) ops.emplace_back(std::move(kept.op));
      kept_passes_.pop_front();
    }
  }
  submit(std::move(ops), [self = shared_from_this()](const std::vector<StateAnswer>&) {
    const std::lock_guard lock(self->mutex_);
    self->kept_passes_underway_ = false;
  });
}

// How it stands.

StateHealth RedisStoreCore::health() const {
  const auto redis = client_->health();
  StateHealth health;
  health.available = redis.available;
  health.degraded = redis.degraded;
  health.errors = redis.errors;
  health.what = "redis, " + redis.what;
  const std::lock_guard lock(mutex_);
  if (!same_pepper_) {
    health.degraded = true;
    health.what += "; another host uses another pepper_file: nothing is shared with it";
  }
  if (!kept_passes_.empty())
    health.what += fmt::format("; {} greylist passes wait to be written", kept_passes_.size());
  return health;
}

RedisStoreCounts RedisStoreCore::counts() const {
  const std::lock_guard lock(mutex_);
  return {remembered_denials_, not_available_, kept_passes_.size()};
}

}  // namespace sluice::backends
