// rooms: backends
// Replies of Redis: hostile bytes, whole and in pieces, against everything that reads them.
#include <cstddef>
#include <cstdint>
#include <string>

#include "backends/redis_reaction.h"
#include "backends/redis_reader.h"
#include "backends/redis_role.h"
#include "backends/redis_sentinel.h"
#include "backends/redis_slot.h"
#include "backends/redis_slot_map.h"
#include "require.h"

using namespace sluice::backends;
using sluice::fuzz::require;

namespace {

const Endpoint kAsked = *parse_endpoint("10.0.0.9:7009");

bool is_same(const RedisReply& a, const RedisReply& b) {
  if (a.kind != b.kind || a.integer != b.integer || a.text != b.text ||
      a.items.size() != b.items.size())
    return false;
  for (std::size_t i = 0; i < a.items.size(); ++i)
    if (!is_same(a.items[i], b.items[i])) return false;
  return true;
}

std::size_t depth(const RedisReply& reply) {
  std::size_t deepest = 0;
  for (const RedisReply& item : reply.items) deepest = std::max(deepest, depth(item));
  return deepest + (reply.kind == RedisReply::Kind::Array ? 1 : 0);
}

// All replies, and whether the stream was refused.
std::pair<std::vector<RedisReply>, bool> read(std::string_view bytes, std::size_t piece) {
  RedisReader reader;
  std::vector<RedisReply> all;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    reader.feed(bytes.substr(at, piece));
    for (;;) {
      auto reply = reader.next();
      if (!reply) return {all, true};
      if (!*reply) break;
      all.push_back(std::move(**reply));
    }
  }
  return {all, false};
}

void use(const RedisReply& reply) {
  require(depth(reply) <= kMaxRedisDepth, "no reply is deeper than the cap");
  (void)parse_redis_role(reply, kAsked);
  const auto answer = parse_sentinel_answer(reply, kAsked);
  require(answer.master.has_value() == answer.why.empty(),
          "a Sentinel names a master or it is said why not");
  (void)parse_switch_master(reply, "mail", kAsked);
  if (const auto ranges = parse_redis_slots(reply, kAsked))
    for (const RedisSlotRange& range : *ranges)
      require(0 <= range.first && range.first <= range.last && range.last < kRedisSlots,
              "a range lies within the slots");
  (void)redis_reaction(reply.text);
  if (const auto redirect = parse_redis_redirect(reply.text))
    require(redirect->slot >= 0 && redirect->slot < kRedisSlots && redirect->port > 0,
            "a redirect points somewhere");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size < 1 || size > 4096) return 0;
  const std::size_t piece = 1 + bytes[0] % 7;
  const std::string_view rest(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  const auto [whole, is_refused] = read(rest, rest.size() + 1);
  const auto [pieces, is_refused_too] = read(rest, piece);
  require(is_refused == is_refused_too, "pieces are refused as the whole is");
  require(whole.size() == pieces.size(), "pieces give as many replies as the whole");
  for (std::size_t i = 0; i < whole.size(); ++i) {
    require(is_same(whole[i], pieces[i]), "pieces give the replies of the whole");
    use(whole[i]);
  }
  return 0;
}
