#include "backends/own_addresses.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>

namespace sluice::backends {
namespace {

std::optional<IpAddress> address_of(const sockaddr* address) {
  if (address == nullptr) return std::nullopt;
  IpAddress::Bytes bytes{};
  if (address->sa_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(*address).sin_addr;
    return IpAddress::from_v4(ntohl(v4.s_addr));
  }
  if (address->sa_family != AF_INET6) return std::nullopt;
  std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6&>(*address).sin6_addr,
              bytes.size());
  return IpAddress::from_bytes(bytes);
}

}  // namespace

std::vector<IpAddress> own_addresses() {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return {};
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> all(first, &::freeifaddrs);
  std::vector<IpAddress> addresses;
  for (const ifaddrs* one = all.get(); one != nullptr; one = one->ifa_next) {
    if (const auto address = address_of(one->ifa_addr)) addresses.push_back(*address);
  }
  return addresses;
}

}  // namespace sluice::backends
