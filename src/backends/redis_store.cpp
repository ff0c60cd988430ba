#include "backends/redis_store.h"

#include <algorithm>
#include <future>
#include <unordered_set>

#include "backends/entry_order.h"
#include "backends/redis_store_core.h"
#include "backends/redis_survey.h"
#include "backends/sub_window.h"

namespace sluice::backends {

namespace {

using Entries = std::vector<StateEntry>;

constexpr std::size_t kEnough = 10'000;  // of a question's entries, before all but the best go

std::vector<RedisKind> kinds_of(StateEntry::Kind kind) {
  switch (kind) {
    case StateEntry::Kind::Limit:
      return {RedisKind::Limit};
    case StateEntry::Kind::Greylist:
      return {RedisKind::Greylist, RedisKind::AutoAllow};
    case StateEntry::Kind::Seen:
      return {RedisKind::Seen};
    case StateEntry::Kind::List:
      return {};
  }
  return {};
}

std::optional<Entries> entries_from(StateEntry::Kind kind, const RedisReply& reply) {
  return kind == StateEntry::Kind::Limit ? limit_entries(reply) : entry_of(kind, reply);
}

// Every entry of every key once.
template <class Take>
void each_entry(RedisStoreCore& core, StateEntry::Kind kind, const RedisSurvey::Question& like,
                Take&& take) {
  std::unordered_set<std::string> known;
  for (const auto redis_kind : kinds_of(kind)) {
    auto question = like;
    question.kind = redis_kind;
    RedisSurvey(core).ask(question, [&](const std::string& key, const RedisReply& reply) {
      auto entries = entries_from(kind, reply);
      if (!entries || entries->empty() || !known.insert(key).second) return;
      for (auto& entry : *entries) {
        entry.key = key;
        take(std::move(entry));
      }
    });
  }
}

std::size_t count_entries(RedisStoreCore& core, StateEntry::Kind kind,
                          const RedisSurvey::Question& question) {
  std::size_t count = 0;
  each_entry(core, kind, question, [&](const StateEntry&) { ++count; });
  return count;
}

// A part at a time; the copy of this process knows it at once.
void remove_from_lists(StateStore& store, const Entries& meant) {
  constexpr std::size_t kAtATime = 500;
  for (std::size_t from = 0; from < meant.size(); from += kAtATime) {
    std::vector<StateOp> ops;
    for (std::size_t i = from; i < std::min(meant.size(), from + kAtATime); ++i)
      ops.emplace_back(ListRemove{meant[i].key, meant[i].name});
    std::promise<void> answered;
    store.submit(std::move(ops),
                 [&](const std::vector<StateAnswer>&) { answered.set_value(); });
    answered.get_future().wait();
  }
}

}  // namespace

RedisStore::RedisStore(std::unique_ptr<RedisClient> client, RedisStoreOptions options)
    : core_(std::make_shared<RedisStoreCore>(std::move(client), std::move(options))) {
  core_->fetch_news();
}

RedisStore::~RedisStore() { core_->close(); }

void RedisStore::submit(std::vector<StateOp> ops, StateDone done) {
  core_->submit(std::move(ops), std::move(done));
}

std::vector<StateEntry> RedisStore::show(const StateQuery& query) {
  Entries entries;
  if (query.kind == StateEntry::Kind::List) {
    entries = core_->list_entries(query.filter).value_or(Entries{});
  } else {
    each_entry(*core_, query.kind, {RedisKind::Limit, "show", query.filter, {}, true},
               [&](StateEntry entry) {
                 entries.push_back(std::move(entry));
                 if (entries.size() > 2 * std::max(query.limit, kEnough))
                   order_entries(entries, query);
               });
  }
  order_entries(entries, query);
  return entries;
}

std::size_t RedisStore::forget(StateEntry::Kind kind, const std::string& filter) {
  if (kind == StateEntry::Kind::List) {
    const auto meant = core_->list_entries(filter).value_or(Entries{});
    remove_from_lists(*this, meant);
    return meant.size();
  }
  const auto count =
      count_entries(*core_, kind, {RedisKind::Limit, "forget", filter, {}, false});
  if (kind == StateEntry::Kind::Limit) core_->forget_denials();
  return count;
}

std::size_t RedisStore::grant(const std::string& filter, std::int64_t extra, Duration keep) {
  const auto until = std::clamp(keep, Duration{0}, kLongestPeriod);
  const auto count = count_entries(*core_, StateEntry::Kind::Limit,
                                   {RedisKind::Limit,
                                    "grant",
                                    filter,
                                    {std::to_string(limited_units(extra)),
                                     std::to_string(until.count())},
                                    false});
  core_->forget_denials();
  return count;
}

// A question to each group behind everything else.
bool RedisStore::flush(Duration most) {
  auto all = std::make_shared<std::promise<bool>>();
  auto answered = all->get_future();
  core_->call(calls_to_all_groups(*core_), [all](const std::vector<RedisResult>& results) {
    all->set_value(std::all_of(results.begin(), results.end(), [](const auto& result) {
      return result.outcome == RedisOutcome::Answered;
    }));
  });
  return answered.wait_for(most) == std::future_status::ready && answered.get();
}

StateHealth RedisStore::health() const { return core_->health(); }
RedisStoreCounts RedisStore::counts() const { return core_->counts(); }

std::string RedisStore::shown_key(RedisKind kind, const std::string& key) const {
  return RedisKeys::key(core_->keys().place(key), kind);
}

}  // namespace sluice::backends
