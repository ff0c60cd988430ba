#include "backends/redis_answers.h"

#include <algorithm>
#include <charconv>

namespace sluice::backends {

namespace {

using Kind = RedisReply::Kind;

// Times and amounts beyond it are nobody's: sums of them must not overflow.
constexpr std::int64_t kFarAway = std::int64_t{1} << 55;

bool is_array(const RedisReply& reply, std::size_t least) {
  return reply.kind == Kind::Array && reply.items.size() >= least;
}

bool is_text(const RedisReply& reply) { return reply.kind == Kind::Text; }

// All elements from..to are numbers that can be counted on with.
bool are_numbers(const RedisReply& reply, std::size_t from, std::size_t to) {
  return is_array(reply, to) &&
         std::all_of(reply.items.begin() + static_cast<std::ptrdiff_t>(from),
                     reply.items.begin() + static_cast<std::ptrdiff_t>(to), [](const auto& item) {
                       return item.kind == Kind::Integer && item.integer > -kFarAway &&
                              item.integer < kFarAway;
                     });
}

std::int64_t number(const RedisReply& reply, std::size_t at) { return reply.items[at].integer; }
TimePoint time(std::int64_t ms) { return TimePoint{Duration{ms}}; }

StateAnswer not_available() {
  StateAnswer answer;
  answer.available = false;
  return answer;
}

std::optional<std::int64_t> take_number(std::string_view& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value <= -kFarAway || value >= kFarAway) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (text.empty() || text.front() != ' ') return std::nullopt;
  text.remove_prefix(1);
  return value;
}

std::optional<ListChange> change_of(const RedisReply& field, const RedisReply& value) {
  if (!is_text(field) || !is_text(value)) return std::nullopt;
  auto name = list_field_of(field.text);
  if (!name) return std::nullopt;
  ListChange change{std::move(*name), {}};
  if (value.text.empty()) return change;
  change.value = list_value_of(value.text);
  if (!change.value) return std::nullopt;
  return change;
}

// What cannot be read is left out: one damaged entry does not take away the others.
std::vector<ListChange> changes_from(const RedisReply& reply, std::size_t first) {
  std::vector<ListChange> changes;
  for (std::size_t i = first; i + 1 < reply.items.size(); i += 2) {
    if (auto change = change_of(reply.items[i], reply.items[i + 1]))
      changes.push_back(std::move(*change));
  }
  return changes;
}

}  // namespace

const RedisReply* answer_at(const RedisResult& result, std::size_t number) {
  if (result.outcome != RedisOutcome::Answered || !is_array(result.reply, number + 1))
    return nullptr;
  return &result.reply.items[number];
}

std::optional<StateAnswer> settled_answer(const RedisReply& reply) {
  if (!are_numbers(reply, 0, 1)) return std::nullopt;
  StateAnswer answer;
  answer.granted = number(reply, 0) == 1;
  if (number(reply, 0) == 2) return not_available();  // a cap of the limit is reached
  return answer;
}

std::optional<StateAnswer> limit_answer(const RedisReply& reply) {
  if (is_array(reply, 1) && reply.items.size() == 1) return settled_answer(reply);
  if (!are_numbers(reply, 0, 5) || number(reply, 1) < 0 ||
      number(reply, 1) > static_cast<std::int64_t>(kMaxWindows) || number(reply, 2) < 0)
    return std::nullopt;
  StateAnswer answer;
  answer.granted = number(reply, 0) == 1;
  answer.exceeded = static_cast<std::size_t>(number(reply, 1));
  answer.wait = Duration{number(reply, 2)};
  answer.used = number(reply, 3);
  answer.by_committed_use = number(reply, 4) == 1;
  return answer;
}

std::optional<StateAnswer> look_answer(const RedisReply& reply) {
  static constexpr GreylistState kStates[] = {GreylistState::Unknown, GreylistState::Waiting,
                                              GreylistState::Ready, GreylistState::Passed};
  if (!are_numbers(reply, 0, 2) || number(reply, 0) < 0 || number(reply, 0) > 4 ||
      number(reply, 1) < 0)
    return std::nullopt;
  if (number(reply, 0) == 4) return not_available();  // it could not be remembered
  StateAnswer answer;
  answer.greylist = kStates[number(reply, 0)];
  answer.wait = Duration{number(reply, 1)};
  return answer;
}

std::optional<StateAnswer> seen_answer(const RedisReply& reply) {
  StateAnswer answer;
  if (reply.kind == Kind::Array && reply.items.empty()) return answer;
  if (!are_numbers(reply, 0, 2)) return std::nullopt;
  answer.first_seen = time(number(reply, 0));
  answer.last_seen = time(number(reply, 1));
  return answer;
}

std::optional<bool> auto_answer(const RedisReply& reply) {
  if (!are_numbers(reply, 0, 1)) return std::nullopt;
  return number(reply, 0) == 1;
}

// For the administrator.

std::optional<std::vector<StateEntry>> limit_entries(const RedisReply& reply) {
  static constexpr const char* kNames[] = {"window", "distinct", "bucket"};
  std::vector<StateEntry> entries;
  if (reply.kind == Kind::Array && reply.items.empty()) return entries;
  if (!is_array(reply, 2) || !is_text(reply.items[0]) || !are_numbers(reply, 1, reply.items.size()))
    return std::nullopt;
  for (std::size_t i = 2; i + 4 < reply.items.size(); i += 5) {
    const auto kind = number(reply, i);
    if (kind < 1 || kind > 3) return std::nullopt;
    StateEntry entry{};
    entry.kind = StateEntry::Kind::Limit;
    entry.name = reply.items[0].text;
    entry.state = kNames[kind - 1];
    if (number(reply, 1) > 0)
      entry.state += ", " + std::to_string(number(reply, 1)) + " more granted";
    entry.period = Duration{number(reply, i + 1)};
    entry.used = number(reply, i + 2);
    entry.reserved = number(reply, i + 3);
    entry.expires = time(number(reply, i + 4));
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::optional<std::vector<StateEntry>> entry_of(StateEntry::Kind kind, const RedisReply& reply) {
  static constexpr const char* kStates[] = {"waiting", "passed", "allowed", ""};
  std::vector<StateEntry> entries;
  if (reply.kind == Kind::Array && reply.items.empty()) return entries;
  if (!is_array(reply, 4) || !is_text(reply.items[0]) || !are_numbers(reply, 1, 4) ||
      number(reply, 1) < 0 || number(reply, 1) > 3)
    return std::nullopt;
  auto& entry = entries.emplace_back();
  entry.kind = kind;
  entry.name = reply.items[0].text;
  entry.state = kStates[number(reply, 1)];
  entry.first = time(number(reply, 2));
  entry.expires = time(number(reply, 3));
  return entries;
}

// Lists and news.

std::optional<ListField> list_field_of(std::string_view field) {
  const auto nul = field.find('\0');
  if (nul == std::string_view::npos) return std::nullopt;
  return ListField{std::string(field.substr(0, nul)), std::string(field.substr(nul + 1))};
}

std::optional<ListValue> list_value_of(std::string_view text) {
  const auto added = take_number(text);
  const auto expires = added ? take_number(text) : std::nullopt;
  if (!expires) return std::nullopt;
  ListValue value;
  value.added = time(*added);
  if (*expires != 0) value.expires = time(*expires);
  if (text == "-") return value;
  value.network = Network::parse(text);
  if (!value.network) return std::nullopt;
  return value;
}

std::optional<RedisNews> news_of(const RedisReply& reply) {
  if (!are_numbers(reply, 0, 6)) return std::nullopt;
  RedisNews news;
  news.now = time(number(reply, 0));
  news.ahead = Duration{number(reply, 1)};
  news.epoch = number(reply, 2);
  news.is_same_pepper = number(reply, 3) == 1;
  news.version = number(reply, 4);
  news.is_complete = number(reply, 5) == 1;
  news.changes = changes_from(reply, 6);
  return news;
}

std::optional<ListPage> page_of(const RedisReply& reply) {
  if (!is_array(reply, 1) || !is_text(reply.items[0])) return std::nullopt;
  return ListPage{reply.items[0].text, changes_from(reply, 1)};
}

}  // namespace sluice::backends
