#include "backends/redis_survey.h"

#include <charconv>
#include <map>

namespace sluice::backends {

namespace {

constexpr const char* kKeysAtOnce = "250";
constexpr std::string_view kBeforeGroup = "sl:{";
constexpr std::size_t kGroupDigits = 2;

}  // namespace

std::optional<RedisKeys::Place> place_of(std::string_view key) {
  const std::size_t hash_at = kBeforeGroup.size() + kGroupDigits + 2;  // '}' and the kind
  if (key.size() <= hash_at || key.substr(0, kBeforeGroup.size()) != kBeforeGroup ||
      key[hash_at - 2] != '}')
    return std::nullopt;
  RedisKeys::Place place;
  const char* digits = key.data() + kBeforeGroup.size();
  const auto [end, error] = std::from_chars(digits, digits + kGroupDigits, place.group, 16);
  if (error != std::errc() || end != digits + kGroupDigits) return std::nullopt;
  place.hash = key.substr(hash_at);
  return place;
}

std::vector<RedisCall> calls_to_all_groups(const RedisStoreCore& core) {
  std::vector<RedisCall> calls;
  for (unsigned group = 0; group < core.keys().groups(); ++group) {
    auto& call = calls.emplace_back();
    call.script = &redis_script(RedisScriptName::Survey);
    call.is_repeatable = true;
    call.keys = {RedisKeys::clock(group)};
    call.args = {"", "", ""};
  }
  return calls;
}

// Every server answers for the groups that it holds with its own name.
std::vector<unsigned> RedisSurvey::servers() {
  const auto results = core_.call_and_wait(calls_to_all_groups(core_));
  std::map<std::string, unsigned> found;
  for (unsigned group = 0; group < results.size(); ++group) {
    const auto& result = results[group];
    if (result.outcome == RedisOutcome::Answered && result.reply.kind == RedisReply::Kind::Text)
      found.try_emplace(result.reply.text, group);
  }
  std::vector<unsigned> groups;
  for (const auto& [name, group] : found) groups.push_back(group);
  return groups;
}

std::optional<std::vector<std::string>> RedisSurvey::next_keys(unsigned group,
                                                               const std::string& pattern,
                                                               std::string& cursor) {
  RedisCall call;
  call.script = &redis_script(RedisScriptName::Survey);
  call.is_repeatable = true;
  call.keys = {RedisKeys::clock(group)};
  call.args = {cursor, pattern, kKeysAtOnce};
  const auto results = core_.call_and_wait({std::move(call)});
  const auto* next = answer_at(results.front(), 0);
  const auto* keys = answer_at(results.front(), 1);
  if (!next || !keys || next->kind != RedisReply::Kind::Text) return std::nullopt;
  cursor = next->text;
  std::vector<std::string> texts;
  for (const auto& key : keys->items) texts.push_back(key.text);
  return texts;
}

void RedisSurvey::ask_keys(const Question& question, const std::vector<std::string>& keys,
                           const Take& take) {
  const auto meant = core_.keys().place(question.filter);
  const auto settings = core_.settings();
  RedisRequest request(core_.keys(), settings);
  std::vector<std::string> asked;
  for (const auto& key : keys) {
    const auto place = place_of(key);
    if (!place) continue;
    const bool is_whole_key =
        key == question.filter || (place->group == meant.group && place->hash == meant.hash);
    std::vector<std::string> arguments{question.operation, question.filter,
                                       is_whole_key ? "1" : "0"};
    arguments.insert(arguments.end(), question.more.begin(), question.more.end());
    const auto part = request.add(question.kind, *place, question.is_read, std::move(arguments));
    if (part.call == asked.size()) asked.push_back(key);
  }
  const auto results = core_.call_and_wait(request.take());
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (const auto* answer = answer_at(results[i], 0)) take(asked[i], *answer);
  }
}

void RedisSurvey::ask(const Question& question, const Take& take) {
  const auto pattern = RedisKeys::pattern(question.kind);
  for (const unsigned group : servers()) {
    std::string cursor = "0";
    do {
      const auto keys = next_keys(group, pattern, cursor);
      if (!keys) break;
      if (!keys->empty()) ask_keys(question, *keys, take);
    } while (cursor != "0");
  }
}

}  // namespace sluice::backends
