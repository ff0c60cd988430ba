#include "backends/redis_slot_map.h"

#include <bitset>
#include <set>

#include "backends/redis_address.h"
#include "backends/redis_slot.h"

namespace sluice::backends {
namespace {

using Kind = RedisReply::Kind;

// [first, last, [host, port, id, …], replicas …]
bool is_range(const RedisReply& item) {
  if (item.kind != Kind::Array || item.items.size() < 3) return false;
  const auto& parts = item.items;
  return parts[0].kind == Kind::Integer && parts[1].kind == Kind::Integer &&
         parts[0].integer >= 0 && parts[0].integer <= parts[1].integer &&
         parts[1].integer < kRedisSlots && parts[2].kind == Kind::Array &&
         parts[2].items.size() >= 2 && parts[2].items[1].kind == Kind::Integer;
}

bool take_slots(std::bitset<kRedisSlots>& taken, const RedisSlotRange& range) {
  for (int slot = range.first; slot <= range.last; ++slot) {
    if (taken.test(static_cast<std::size_t>(slot))) return false;
    taken.set(static_cast<std::size_t>(slot));
  }
  return true;
}

}  // namespace

Result<std::vector<RedisSlotRange>> parse_redis_slots(const RedisReply& reply,
                                                      const Endpoint& answered_by) {
  if (reply.kind == Kind::Error) return permanent(reply.text);
  if (reply.kind != Kind::Array) return permanent("CLUSTER SLOTS: not the answer of a Cluster");
  std::vector<RedisSlotRange> ranges;
  std::bitset<kRedisSlots> taken;
  std::set<std::string> masters;
  for (const RedisReply& item : reply.items) {
    if (!is_range(item)) return permanent("CLUSTER SLOTS: a range that is none");
    const RedisReply& master = item.items[2];
    const auto at = told_endpoint(master.items[0].text, master.items[1].integer, answered_by);
    RedisSlotRange range{static_cast<int>(item.items[0].integer),
                         static_cast<int>(item.items[1].integer), at.value_or(Endpoint{})};
    if (!take_slots(taken, range)) return permanent("CLUSTER SLOTS: a slot twice");
    if (!at) continue;
    if (masters.insert(at->to_string()).second && masters.size() > kMaxRedisMasters)
      return permanent("CLUSTER SLOTS: too many masters");
    ranges.push_back(std::move(range));
  }
  return ranges;
}

}  // namespace sluice::backends
