// instant_scanner - answers every request of a scanner's client at once, so that what is measured
// is the client.
//
//   instant_scanner PORT rspamd|clamd
//
// One thread, loopback only. rspamd: a score of 1 when Content-Length bytes have come; clamd: "OK"
// behind the piece of length 0. Ends with SIGTERM.
#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <unordered_map>

namespace {

constexpr std::string_view kJson = R"({"score":1.0,"action":"no action","symbols":{"A":{}}})";

// Where the request ends; npos: not yet.
bool is_whole_rspamd(const std::string& got) {
  const std::size_t head = got.find("\r\n\r\n");
  const std::size_t length = got.find("Content-Length: ");
  if (head == std::string::npos || length == std::string::npos) return false;
  return got.size() >= head + 4 + std::strtoul(got.c_str() + length + 16, nullptr, 10);
}
bool is_whole_clamd(const std::string& got) {
  for (std::size_t at = 10; at + 4 <= got.size();) {
    std::uint32_t size = 0;
    for (int i = 0; i < 4; ++i) size = size << 8 | static_cast<std::uint8_t>(got[at++]);
    if (size == 0) return true;
    at += size;
  }
  return false;
}

int listen_at(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(static_cast<std::uint16_t>(port));
  if (::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 || ::listen(fd, 1024) != 0)
    return -1;
  return fd;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view kind = argc == 3 ? argv[2] : "";
  const int listener = argc == 3 ? listen_at(std::atoi(argv[1])) : -1;
  if (listener < 0 || (kind != "rspamd" && kind != "clamd")) {
    std::fputs("usage: instant_scanner PORT rspamd|clamd\n", stderr);
    return 64;
  }
  const std::string answer =
      kind == "clamd" ? std::string("stream: OK\0", 11)
                      : "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " +
                            std::to_string(kJson.size()) + "\r\n\r\n" + std::string(kJson);
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  const auto watch = [epoll](int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  };
  watch(listener);
  std::unordered_map<int, std::string> got;
  for (std::array<epoll_event, 64> events;;) {
    const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener) {
        const int peer = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (peer >= 0) watch(peer);
        continue;
      }
      std::array<char, 65536> buffer;
      const ssize_t n = ::read(fd, buffer.data(), buffer.size());
      std::string& text = got[fd];
      if (n > 0) text.append(buffer.data(), static_cast<std::size_t>(n));
      const bool is_whole = kind == "clamd" ? is_whole_clamd(text) : is_whole_rspamd(text);
      if (is_whole) (void)!::write(fd, answer.data(), answer.size());
      if (n > 0 && !is_whole) continue;
      got.erase(fd);
      ::close(fd);
    }
  }
}
