// Addresses of sockets, as the kernel tells them.
#pragma once
#include <sys/socket.h>

#include <optional>
#include <string>

#include "base/ip_address.h"
#include "base/result.h"
#include "milter/listener.h"

namespace sluice::milter {

// nullopt: none, or of another family than IPv4 and IPv6.
std::optional<IpAddress> address_of(const sockaddr* address);

// Where an inherited socket listens, as a Unix or Inet spec: only whoever made it has written that
// down. nullopt: it cannot be told (no socket, a name outside of the file system).
std::optional<ListenSpec> place_of(int fd);

// Whether a socket may be renamed over `path`: nothing is there, or the socket of a predecessor.
// Error{Config}: anything else, which stays as it is. A mistyped path costs nobody a file.
Result<void> is_free_for_socket(const std::string& path);

}  // namespace sluice::milter
