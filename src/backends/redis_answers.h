// What the scripts answer, as answers of the store. Whoever may write to Redis may put anything
// there: a reply that no script of ours would give is nullopt, never a crash and never a guess.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/redis_client.h"
#include "backends/state_store.h"

namespace sluice::backends {

// The answer with that number in a script's reply; null: the script failed, or there is none.
const RedisReply* answer_at(const RedisResult& result, std::size_t number);

std::optional<StateAnswer> limit_answer(const RedisReply& reply);   // reserve, peek
std::optional<StateAnswer> settled_answer(const RedisReply& reply);  // commit, release, renew, …
std::optional<StateAnswer> look_answer(const RedisReply& reply);    // not available: it says so
std::optional<StateAnswer> seen_answer(const RedisReply& reply);
std::optional<bool> auto_answer(const RedisReply& reply);

// Entries of show, forget and grant, without their keys; none: not meant, or nothing there.
std::optional<std::vector<StateEntry>> limit_entries(const RedisReply& reply);
std::optional<std::vector<StateEntry>> entry_of(StateEntry::Kind kind, const RedisReply& reply);

// One entry of the dynamic lists.
struct ListField {
  std::string list, value;
};
struct ListValue {
  TimePoint added{};
  std::optional<TimePoint> expires;
  std::optional<Network> network;
};
std::optional<ListField> list_field_of(std::string_view field);
std::optional<ListValue> list_value_of(std::string_view text);

struct ListChange {
  ListField field;
  std::optional<ListValue> value;  // none: removed
};
struct RedisNews {
  TimePoint now{};  // the store's time
  Duration ahead{0};
  std::int64_t epoch = 0, version = 0;
  bool is_same_pepper = true;
  bool is_complete = true;  // false: too far behind, everything has to be read again
  std::vector<ListChange> changes;
};
std::optional<RedisNews> news_of(const RedisReply& reply);

struct ListPage {
  std::string cursor;  // "0": that was all
  std::vector<ListChange> entries;
};
std::optional<ListPage> page_of(const RedisReply& reply);

}  // namespace sluice::backends
