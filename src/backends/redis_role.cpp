#include "backends/redis_role.h"

#include "backends/redis_address.h"

namespace sluice::backends {

std::string_view redis_role_name(RedisRole::Kind kind) {
  switch (kind) {
    case RedisRole::Kind::Master:
      return "master";
    case RedisRole::Kind::Replica:
      return "replica";
    case RedisRole::Kind::Unknown:
      break;
  }
  return "unknown";
}

// ["master", offset, replicas] or ["slave", host, port, state, offset].
RedisRole parse_redis_role(const RedisReply& reply, const Endpoint& answered_by) {
  RedisRole role;
  if (reply.kind != RedisReply::Kind::Array || reply.items.empty()) return role;
  if (reply.items[0].text == "master") role.kind = RedisRole::Kind::Master;
  if (reply.items[0].text != "slave") return role;
  role.kind = RedisRole::Kind::Replica;
  if (reply.items.size() >= 3)
    role.master = told_endpoint(reply.items[1].text, reply.items[2].integer, answered_by);
  return role;
}

}  // namespace sluice::backends
