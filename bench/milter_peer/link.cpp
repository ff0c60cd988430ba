#include "milter_peer/link.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

namespace sluice::peer {
namespace {

using Clock = std::chrono::steady_clock;

std::string reason(std::string_view doing) {
  return std::string(doing) + ": " + std::strerror(errno);
}

// True when `events` (or an end of the connection) are there before the deadline.
bool wait_for(int fd, short events, Clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd entry{fd, events, 0};
    const int ready = ::poll(&entry, 1, left > 0 ? static_cast<int>(left) : 0);
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
}

Result<Link> connect_to(int family, const sockaddr* address, socklen_t size) {
  Link link(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!link.is_open()) return temporary(reason("socket"));
  if (::connect(link.fd(), address, size) != 0) return temporary(reason("connect"));
  return link;
}

Result<Link> open_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return permanent("socket path too long: " + path);
  path.copy(address.sun_path, path.size());
  return connect_to(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

Result<Link> open_inet(const Endpoint& endpoint) {
  sockaddr_in address4{};
  address4.sin_family = AF_INET;
  address4.sin_port = htons(endpoint.port);
  if (::inet_pton(AF_INET, endpoint.host.c_str(), &address4.sin_addr) == 1)
    return connect_to(AF_INET, reinterpret_cast<const sockaddr*>(&address4), sizeof address4);
  sockaddr_in6 address6{};
  address6.sin6_family = AF_INET6;
  address6.sin6_port = htons(endpoint.port);
  if (::inet_pton(AF_INET6, endpoint.host.c_str(), &address6.sin6_addr) == 1)
    return connect_to(AF_INET6, reinterpret_cast<const sockaddr*>(&address6), sizeof address6);
  return permanent("no numeric address: " + endpoint.host);
}

}  // namespace

Result<Endpoint> Endpoint::parse(std::string_view text) {
  constexpr std::string_view kUnix = "unix:", kInet = "inet:";
  if (text.starts_with(kUnix)) return Endpoint{std::string(text.substr(kUnix.size())), {}, 0};
  if (!text.starts_with(kInet)) {
    if (text.starts_with('/')) return Endpoint{std::string(text), {}, 0};
    return permanent("neither unix:PATH nor inet:HOST:PORT: " + std::string(text));
  }
  text.remove_prefix(kInet.size());
  const std::size_t colon = text.rfind(':');
  Endpoint endpoint;
  const std::string_view digits = colon == text.npos ? text : text.substr(colon + 1);
  const auto [end, fault] =
      std::from_chars(digits.data(), digits.data() + digits.size(), endpoint.port);
  if (colon == text.npos || fault != std::errc{} || end != digits.data() + digits.size())
    return permanent("no port in inet:" + std::string(text));
  endpoint.host = text.substr(0, colon);
  if (endpoint.host.starts_with('[') && endpoint.host.ends_with(']'))
    endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
  return endpoint;
}

Link::Link(Link&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Link& Link::operator=(Link&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

Result<Link> Link::open(const Endpoint& endpoint) {
  return endpoint.path.empty() ? open_inet(endpoint) : open_unix(endpoint.path);
}

Result<void> Link::send(std::string_view bytes, std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      if (!wait_for(fd_, POLLOUT, deadline)) return temporary("send: the filter does not read");
    } else if (errno != EINTR) {
      return temporary(reason("send"));
    }
  }
  return {};
}

Result<std::string> Link::receive(std::chrono::milliseconds timeout) {
  std::array<char, 16384> buffer;
  const auto deadline = Clock::now() + timeout;
  while (true) {
    if (!wait_for(fd_, POLLIN, deadline)) return temporary("no answer in time");
    const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got >= 0) return std::string(buffer.data(), static_cast<std::size_t>(got));
    if (errno != EINTR && errno != EAGAIN) return temporary(reason("receive"));
  }
}

bool Link::sees_close(std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  while (Clock::now() < deadline) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    const auto bytes = receive(left);
    if (bytes && bytes->empty()) return true;
    if (!bytes && bytes.error().what.starts_with("receive")) return true;
  }
  return false;
}

void Link::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void Link::abort() {
  const linger now{1, 0};
  if (fd_ >= 0) ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

}  // namespace sluice::peer
