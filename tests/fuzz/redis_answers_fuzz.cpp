// rooms: backends
// What Redis answers may come from anybody who may write there: every reply is an answer of the store
// with sane numbers, or none.
#include <cstdint>
#include <string>

#include "backends/redis_answers.h"
#include "backends/redis_joined.h"
#include "backends/redis_list_copy.h"
#include "backends/redis_survey.h"
#include "require.h"

using namespace sluice;
using namespace sluice::backends;
using fuzz::require;

namespace {

constexpr int kDepth = 4;
constexpr std::size_t kMostItems = 40;

// A reply of any shape from the bytes.
struct ReplyMaker {
  const std::uint8_t* at;
  const std::uint8_t* end;

  std::uint8_t byte() { return at == end ? 0 : *at++; }
  std::string text() {
    const std::size_t size = std::min<std::size_t>(byte(), static_cast<std::size_t>(end - at));
    std::string bytes(reinterpret_cast<const char*>(at), size);
    at += size;
    return bytes;
  }
  std::int64_t number() {
    const auto kind = byte();
    if (kind < 200) return kind % 8;
    std::uint64_t n = 0;
    for (int i = 0; i < 8; ++i) n = n << 8 | byte();
    return static_cast<std::int64_t>(n);
  }
  RedisReply reply(int depth) {
    RedisReply made;
    made.kind = static_cast<RedisReply::Kind>(byte() % 6);
    if (made.kind == RedisReply::Kind::Integer) made.integer = number();
    if (made.kind == RedisReply::Kind::Array) {
      for (std::size_t n = byte() % kMostItems; n > 0 && depth > 0; --n)
        made.items.push_back(reply(depth - 1));
    } else {
      made.text = text();
    }
    return made;
  }
};

void check(const std::optional<StateAnswer>& answer) {
  if (!answer) return;
  require(answer->wait >= Duration{0}, "a wait is not negative");
  require(answer->exceeded <= kMaxWindows, "the window that refused is one");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  ReplyMaker maker{bytes, bytes + size};
  RedisResult result;
  result.outcome = RedisOutcome::Answered;
  result.reply = maker.reply(kDepth);
  const std::size_t calls = size % 5 + 1;
  if (const auto parts = split_joined_reply(result.reply, calls))
    require(parts->size() == calls, "a joined reply has a part for each call");
  for (std::size_t i = 0; i < 4; ++i) {
    const RedisReply* reply = answer_at(result, i);
    if (!reply) continue;
    check(limit_answer(*reply));
    check(settled_answer(*reply));
    check(look_answer(*reply));
    check(seen_answer(*reply));
    auto_answer(*reply);
    if (const auto entries = limit_entries(*reply))
      require(entries->size() <= kMostItems, "entries come from elements");
    entry_of(StateEntry::Kind::Greylist, *reply);
    RedisListCopy copy;
    const TimePoint now{Duration{1'795'564'800'000}};
    if (const auto news = news_of(*reply)) copy.apply(news->changes);
    if (const auto page = page_of(*reply)) copy.apply(page->entries);
    const auto size_before = copy.size();
    copy.contains({"l", "v", IpAddress::parse("192.0.2.1")}, now);
    require(copy.entries("", TimePoint::min()).size() == size_before, "all that was read is shown");
    copy.drop_expired(TimePoint::max());
    for (const auto& entry : copy.entries("", now))
      require(entry.state == "permanent", "what has a time is dropped");
  }
  const std::string rest(reinterpret_cast<const char*>(bytes), size);
  if (const auto place = place_of(rest))
    require(RedisKeys::key(*place, static_cast<RedisKind>(rest[7])) == rest ||
                rest.substr(4, 2) != RedisKeys::clock(place->group).substr(4, 2),
            "a key names its place");
  if (const auto field = list_field_of(rest))
    require(field->list + '\0' + field->value == rest, "a field is a list and a value");
  list_value_of(rest);
  return 0;
}
