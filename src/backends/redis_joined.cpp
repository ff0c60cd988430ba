#include "backends/redis_joined.h"

#include <string>
#include <utility>

namespace sluice::backends {
namespace {

std::size_t bytes_of(const RedisCall& call) {
  std::size_t bytes = 0;
  for (const std::string& key : call.keys) bytes += key.size();
  for (const std::string& arg : call.args) bytes += arg.size();
  return bytes;
}

}  // namespace

bool RedisJoin::takes(const RedisCall& call) const {
  return call.head && call.script == first_->script && call.head == first_->head &&
         calls_ < kMaxJoinedCalls && keys_ + call.keys.size() <= kMaxJoinedKeys &&
         words_ + call.args.size() <= kMaxJoinedWords && bytes_ + bytes_of(call) <= kMaxJoinedBytes;
}

void RedisJoin::add(const RedisCall& call) {
  ++calls_;
  keys_ += call.keys.size();
  words_ += call.args.size();
  bytes_ += bytes_of(call);
}

Result<std::vector<RedisReply>> split_joined_reply(RedisReply reply, std::size_t calls) {
  if (reply.kind != RedisReply::Kind::Array)
    return permanent("one reply to " + std::to_string(calls) + " joined calls");
  if (reply.items.size() != calls)
    return permanent("a reply of " + std::to_string(reply.items.size()) + " parts to " +
                     std::to_string(calls) + " joined calls");
  return std::move(reply.items);
}

}  // namespace sluice::backends
