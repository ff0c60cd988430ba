// The part of RedisStoreCore that knows the dynamic lists and hears the news.
#include <algorithm>
#include <future>

#include "backends/redis_store_core.h"

namespace sluice::backends {

namespace {

constexpr std::int64_t kNoVersion = -1;
constexpr const char* kPageSize = "1000";
constexpr Duration kDropExpiredEvery{60'000};
// A failover may lose changes that were told already.
constexpr Duration kReadAgainEvery{600'000};

// Of a single call.
const RedisResult& first_of(const std::vector<RedisResult>& results) { return results.front(); }

}  // namespace

bool RedisStoreCore::is_fresh(Duration most) const {
  return news_at_ && moment() - *news_at_ <= most;
}

// What this process is just writing has to be among the news.
bool RedisStoreCore::lists_are_usable() const {
  return lists_are_complete_ && list_writes_ == 0 && is_fresh(kRedisNewsAge);
}

TimePoint RedisStoreCore::list_time() const {
  if (options_.server_clock) return test_time_.last();
  return server_time_ + (moment() - server_time_at_);
}

// Time does not go back for answers that come late.
void RedisStoreCore::take_server_time(TimePoint time, Duration ahead) {
  ahead_ = ahead;
  if (options_.server_clock && time > test_time_.last()) {
    test_time_ = SteadyTime(time);
    test_time_.advance(options_.server_clock->now());
  }
  if (time < list_time() && server_time_ != TimePoint{}) return;
  server_time_ = time;
  server_time_at_ = moment();
}

bool RedisStoreCore::take_news(const RedisResult& result, std::size_t answer) {
  const auto* reply = answer_at(result, answer);
  const auto news = reply ? news_of(*reply) : std::nullopt;
  if (!news) return false;
  take_server_time(news->now, news->ahead);
  news_at_ = moment();
  same_pepper_ = news->is_same_pepper;
  if (news->epoch != epoch_) {
    denials_.clear();
    epoch_changed_ = moment();
    epoch_ = news->epoch;
  }
  // An older answer that comes late would undo what is known.
  lists_are_old_ = lists_are_complete_ && moment() - lists_read_at_ >= kReadAgainEvery;
  if (!news->is_complete) {
    lists_are_complete_ = false;
  } else if (news->version >= version_ && version_ >= 0) {
    lists_.apply(news->changes);
  }
  version_ = news->is_complete ? std::max(version_, news->version) : news->version;
  if (moment() - expired_dropped_ >= kDropExpiredEvery) {
    lists_.drop_expired(list_time());
    expired_dropped_ = moment();
  }
  return true;
}

void RedisStoreCore::fetch_news() {
  std::vector<RedisCall> calls;
  {
    const std::lock_guard lock(mutex_);
    if (news_is_underway_) return;
    news_is_underway_ = true;
    calls = news_calls(version_);
  }
  call(std::move(calls), [self = shared_from_this()](const std::vector<RedisResult>& results) {
    const std::lock_guard lock(self->mutex_);
    self->news_is_underway_ = false;
    self->take_news(first_of(results), 0);
  });
}

// Everything is read again: which version it is at least, page after page into a new copy, then what
// happened meanwhile.

void RedisStoreCore::read_all_lists(Then then) {
  std::vector<RedisCall> calls;
  {
    const std::lock_guard lock(mutex_);
    waiting_for_lists_.push_back(std::move(then));
    if (waiting_for_lists_.size() > 1) return;
    read_lists_ = {};
    calls = news_calls(kNoVersion);
  }
  call(std::move(calls), [self = shared_from_this()](const std::vector<RedisResult>& results) {
    const auto* reply = answer_at(first_of(results), 0);
    const auto news = reply ? news_of(*reply) : std::nullopt;
    if (!news) return self->all_lists_read(false);
    {
      const std::lock_guard lock(self->mutex_);
      self->version_before_reading_ = news->version;
    }
    self->read_page("0");
  });
}

// Reads that go beside all else may come behind calls that left later.
RedisCallSettings RedisStoreCore::looking_settings() const {
  RedisCallSettings looking = settings();
  looking.resolution = Duration{-1};
  return looking;
}

std::vector<RedisCall> RedisStoreCore::news_calls(std::int64_t known_version) const {
  const auto looking = looking_settings();
  RedisRequest request(keys_, looking);
  request.add_news(known_version);
  return request.take();
}

void RedisStoreCore::read_page(const std::string& cursor) {
  std::vector<RedisCall> calls;
  {
    const std::lock_guard lock(mutex_);
    const auto looking = looking_settings();
    RedisRequest request(keys_, looking);
    request.add_shared(true, {"page", cursor, kPageSize});
    calls = request.take();
  }
  call(std::move(calls), [self = shared_from_this()](const std::vector<RedisResult>& results) {
    self->page_read(first_of(results));
  });
}

void RedisStoreCore::page_read(const RedisResult& result) {
  const auto* reply = answer_at(result, 0);
  const auto page = reply ? page_of(*reply) : std::nullopt;
  if (!page) return all_lists_read(false);
  std::vector<RedisCall> calls;
  {
    const std::lock_guard lock(mutex_);
    read_lists_.apply(page->entries);
    if (page->cursor == "0") calls = news_calls(version_before_reading_);
  }
  if (calls.empty()) return read_page(page->cursor);
  call(std::move(calls), [self = shared_from_this()](const std::vector<RedisResult>& results) {
    const auto& last = first_of(results);
    {
      const std::lock_guard lock(self->mutex_);
      self->lists_ = std::move(self->read_lists_);
      self->read_lists_ = {};
      self->version_ = self->version_before_reading_;
      self->lists_are_complete_ = true;
      self->lists_read_at_ = self->moment();
      // Not complete again: more changes than Redis keeps came while the pages were read.
      if (!self->take_news(last, 0)) self->lists_are_complete_ = false;
    }
    self->all_lists_read(last.outcome == RedisOutcome::Answered);
  });
}

void RedisStoreCore::all_lists_read(bool is_done) {
  std::vector<Then> waiting;
  {
    const std::lock_guard lock(mutex_);
    waiting.swap(waiting_for_lists_);
    is_done = is_done && lists_are_complete_;
  }
  for (const auto& then : waiting) then(is_done);
}

// Answers.

StateAnswer RedisStoreCore::list_answer(const RedisSubmission& work, std::size_t i,
                                        bool lists_are_known) {
  StateAnswer answer;
  answer.available = lists_are_known && lists_are_complete_;
  if (!answer.available) return answer;
  answer.contained = lists_.contains(std::get<ListContains>(work.ops[i]), list_time());
  return answer;
}

// The copy knows at once what this process has written.
void RedisStoreCore::take_list_write(const StateOp& op, const RedisReply& reply) {
  const auto is_number = [](const RedisReply& r) { return r.kind == RedisReply::Kind::Integer; };
  if (!lists_are_complete_ || reply.items.size() != 3 ||
      !std::all_of(reply.items.begin(), reply.items.end(), is_number))
    return;
  const TimePoint now{Duration{reply.items[1].integer}};
  take_server_time(now, Duration{reply.items[2].integer});
  if (const auto* add = std::get_if<ListAdd>(&op)) {
    ListValue value{now, {}, add->network};
    if (add->keep) value.expires = now + std::max(Duration{0}, *add->keep);
    if (reply.items[0].integer == 1) lists_.apply({{add->list, add->value}, value});
  } else if (const auto* gone = std::get_if<ListRemove>(&op)) {
    lists_.apply(ListChange{{gone->list, gone->value}, {}});
  }
}

std::optional<std::vector<StateEntry>> RedisStoreCore::list_entries(const std::string& filter) {
  // An operation that asks for the lists: whatever it asks, they are known then, as they are now.
  std::promise<bool> answered;
  submit(
      {ListContains{}},
      [&](const std::vector<StateAnswer>& answers) {
        answered.set_value(answers.front().available);
      },
      true);
  if (!answered.get_future().get()) return std::nullopt;
  const std::lock_guard lock(mutex_);
  auto entries = lists_.entries(filter, list_time());
  for (auto& entry : entries) {
    entry.first -= ahead_;
    if (entry.expires != TimePoint{}) entry.expires -= ahead_;
  }
  return entries;
}

void RedisStoreCore::forget_denials() {
  std::vector<RedisCall> calls;
  {
    const std::lock_guard lock(mutex_);
    denials_.clear();
    epoch_changed_ = moment();
    const auto shared = settings();
    RedisRequest request(keys_, shared);
    request.add_shared(false, {"epoch"});
    calls = request.take();
  }
  call_and_wait(std::move(calls));
}

}  // namespace sluice::backends
