// Addresses of Redis servers: as the configuration writes them, and as Redis tells them.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "backends/stream.h"

namespace sluice::backends {

inline constexpr std::uint16_t kRedisPort = 6379;
inline constexpr std::uint16_t kSentinelPort = 26379;

// As parse_endpoint(), but a name is looked up (once, blocking: at the start only). Of several
// addresses the first is taken. Error{Config}: no address, or an unknown name; Error{Temporary}: no
// name server answers.
Result<std::vector<Endpoint>> find_redis_servers(const std::vector<std::string>& texts,
                                                 std::uint16_t default_port);

// What a server told: host is an address, or empty or "?" for the server that answered. None: a
// name, or no port.
std::optional<Endpoint> told_endpoint(std::string_view host, std::int64_t port,
                                      const Endpoint& answered_by);

}  // namespace sluice::backends
