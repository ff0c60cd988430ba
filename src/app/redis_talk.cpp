#include "app/redis_talk.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "backends/redis_command.h"

namespace sluice::app {

namespace {

// The kernel's form of an endpoint.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  explicit SocketAddress(const backends::Endpoint& at) {
    if (!at.unix_path.empty()) {
      auto& path = reinterpret_cast<sockaddr_un&>(storage);
      path.sun_family = AF_UNIX;
      std::memcpy(path.sun_path, at.unix_path.c_str(),
                  std::min(at.unix_path.size() + 1, sizeof path.sun_path));
      size = sizeof path;
      return;
    }
    auto& four = reinterpret_cast<sockaddr_in&>(storage);
    auto& six = reinterpret_cast<sockaddr_in6&>(storage);
    const std::string text = at.address.to_string();
    if (::inet_pton(AF_INET, text.c_str(), &four.sin_addr) == 1) {
      four.sin_family = AF_INET;
      four.sin_port = htons(at.port);
      size = sizeof four;
    } else if (::inet_pton(AF_INET6, text.c_str(), &six.sin6_addr) == 1) {
      six.sin6_family = AF_INET6;
      six.sin6_port = htons(at.port);
      size = sizeof six;
    }
  }
};

}  // namespace

Result<RedisTalk> RedisTalk::connect(const backends::Endpoint& to) {
  const SocketAddress at(to);
  const int fd = ::socket(at.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return temporary(std::strerror(errno));
  RedisTalk talk(fd);
  const timeval most{kRedisTalkSeconds, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&at.storage), at.size) != 0)
    return temporary(std::strerror(errno));
  return talk;
}

RedisTalk::RedisTalk(RedisTalk&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), reader_(std::move(other.reader_)) {}

RedisTalk::~RedisTalk() {
  if (fd_ >= 0) ::close(fd_);
}

Result<backends::RedisReply> RedisTalk::ask(const std::vector<std::string_view>& words) {
  return send(backends::redis_command(words));
}

Result<backends::RedisReply> RedisTalk::send(std::string_view command) {
  if (::send(fd_, command.data(), command.size(), MSG_NOSIGNAL) < 0)
    return temporary(std::strerror(errno));
  std::array<char, 16 * 1024> buffer;
  while (true) {
    auto reply = reader_.next();
    if (!reply) return tl::unexpected<Error>(reply.error());
    if (*reply) return std::move(**reply);
    const ssize_t n = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (n <= 0) return temporary(n == 0 ? "the connection was closed" : "no answer in time");
    reader_.feed({buffer.data(), static_cast<std::size_t>(n)});
  }
}

}  // namespace sluice::app
