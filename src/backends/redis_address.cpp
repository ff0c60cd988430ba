#include "backends/redis_address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "backends/redis_client.h"

namespace sluice::backends {
namespace {

std::optional<IpAddress> first_address(const addrinfo* found) {
  std::array<char, NI_MAXHOST> text{};
  if (::getnameinfo(found->ai_addr, found->ai_addrlen, text.data(), text.size(), nullptr, 0,
                    NI_NUMERICHOST) != 0)
    return std::nullopt;
  return IpAddress::parse(text.data());
}

// A name server that is away is no mistake in the configuration.
Result<IpAddress> look_up(const std::string& name) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(name.c_str(), nullptr, &wanted, &found);
  const auto address = error == 0 ? first_address(found) : std::nullopt;
  if (error == 0) ::freeaddrinfo(found);
  if (address) return *address;
  const std::string what = "no address is known for " + name;
  if (error == EAI_AGAIN) return temporary(what);
  return config_error(what);
}

Result<Endpoint> find_server(const std::string& text, std::uint16_t default_port) {
  auto endpoint = parse_endpoint(text, default_port);
  if (endpoint) return endpoint;
  const std::size_t colon = text.rfind(':');
  const std::string name = text.substr(0, colon);
  // Whatever is wrong beside the name is said as parse_endpoint says it.
  const std::string rest = colon == std::string::npos ? "" : text.substr(colon);
  auto port = parse_endpoint("127.0.0.1" + rest, default_port);
  if (!port || name.empty() || name.find_first_of(":[]/ ") != std::string::npos)
    return config_error(endpoint.error().what);
  const auto address = look_up(name);
  if (!address)
    return tl::unexpected<Error>(
        Error{address.error().cause, "`" + text + "`: " + address.error().what});
  port->address = *address;
  return port;
}

}  // namespace

Result<std::vector<Endpoint>> find_redis_servers(const std::vector<std::string>& texts,
                                                 std::uint16_t default_port) {
  if (texts.size() > kMaxRedisServers)
    return config_error("more than " + std::to_string(kMaxRedisServers) + " servers");
  std::vector<Endpoint> list;
  for (const std::string& text : texts) {
    auto endpoint = find_server(text, default_port);
    if (!endpoint) return tl::unexpected<Error>(endpoint.error());
    list.push_back(std::move(*endpoint));
  }
  return list;
}

std::optional<Endpoint> told_endpoint(std::string_view host, std::int64_t port,
                                      const Endpoint& answered_by) {
  if (port < 1 || port > 65'535) return std::nullopt;
  Endpoint endpoint;
  endpoint.port = static_cast<std::uint16_t>(port);
  if (host.empty() || host == "?") {
    endpoint.address = answered_by.address;
    return endpoint;
  }
  const auto address = IpAddress::parse(host);
  if (!address) return std::nullopt;
  endpoint.address = *address;
  return endpoint;
}

}  // namespace sluice::backends
