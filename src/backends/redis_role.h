// What a server says of itself (ROLE).
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "backends/redis_client.h"
#include "backends/stream.h"

namespace sluice::backends {

struct RedisRole {
  enum class Kind : std::uint8_t {
    Unknown,  // it did not say (no right to ask, another kind of server)
    Master,
    Replica
  } kind = Kind::Unknown;
  std::optional<Endpoint> master;  // of a replica
};
std::string_view redis_role_name(RedisRole::Kind kind);

RedisRole parse_redis_role(const RedisReply& reply, const Endpoint& answered_by);

}  // namespace sluice::backends
