#include "milter/socket_address.h"

#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

namespace sluice::milter {
namespace {

std::uint16_t port_of(const sockaddr_storage& storage) {
  return ntohs(storage.ss_family == AF_INET
                   ? reinterpret_cast<const sockaddr_in*>(&storage)->sin_port
                   : reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
}

}  // namespace

std::optional<IpAddress> address_of(const sockaddr* address) {
  if (address == nullptr) return std::nullopt;
  if (address->sa_family == AF_INET)
    return IpAddress::from_v4(
        ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr));
  if (address->sa_family != AF_INET6) return std::nullopt;
  IpAddress::Bytes bytes;
  std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr,
              bytes.size());
  return IpAddress::from_bytes(bytes);
}

std::optional<ListenSpec> place_of(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  auto* generic = reinterpret_cast<sockaddr*>(&storage);
  if (::getsockname(fd, generic, &length) != 0) return std::nullopt;
  ListenSpec spec;
  if (storage.ss_family == AF_UNIX) {
    const auto* local = reinterpret_cast<const sockaddr_un*>(&storage);
    const std::size_t room = length - offsetof(sockaddr_un, sun_path);
    if (length <= offsetof(sockaddr_un, sun_path) || local->sun_path[0] == '\0')
      return std::nullopt;
    spec.path.assign(local->sun_path, ::strnlen(local->sun_path, room));
    return spec;
  }
  const auto address = address_of(generic);
  if (!address) return std::nullopt;
  spec.kind = ListenSpec::Kind::Inet;
  spec.address = *address;
  spec.port = port_of(storage);
  return spec;
}

Result<void> is_free_for_socket(const std::string& path) {
  struct stat there {};
  if (::lstat(path.c_str(), &there) != 0 || S_ISSOCK(there.st_mode)) return {};
  return config_error(path + ": something else than a socket is there, and stays; name another path");
}

}  // namespace sluice::milter
