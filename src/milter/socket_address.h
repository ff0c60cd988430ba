// Addresses of sockets, as the kernel tells them.
#pragma once
#include <sys/socket.h>

#include <optional>

#include "base/ip_address.h"
#include "milter/listener.h"

namespace sluice::milter {

// nullopt: none, or of another family than IPv4 and IPv6.
std::optional<IpAddress> address_of(const sockaddr* address);

// Where an inherited socket listens, as a Unix or Inet spec: only whoever made it has written that
// down. nullopt: it cannot be told (no socket, a name outside of the file system).
std::optional<ListenSpec> place_of(int fd);

}  // namespace sluice::milter
