// instant_scanner - answers every request of a scanner's client at once, so that what is measured
// is the client; or after a while, for what a slow scanner does to other sessions.
//
//   instant_scanner PORT rspamd|clamd [MILLISECONDS]
//
// One thread, loopback only; any number of requests wait at once. rspamd: a score of 1 when
// Content-Length bytes have come; clamd: "OK" behind the piece of length 0. Ends with SIGTERM.
#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
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

using Clock = std::chrono::steady_clock;

class Scanner {
 public:
  Scanner(int listener, bool is_clamd, std::chrono::milliseconds delay)
      : listener_(listener),
        is_clamd_(is_clamd),
        delay_(delay),
        answer_(is_clamd ? std::string("stream: OK\0", 11)
                         : "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " +
                               std::to_string(kJson.size()) + "\r\n\r\n" + std::string(kJson)),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    watch(listener_);
  }

  void run() {
    for (std::array<epoll_event, 64> events;;) {
      const int count =
          ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), patience_ms());
      for (int i = 0; i < count; ++i) take(events[static_cast<std::size_t>(i)].data.fd);
      while (!waiting_.empty() && waiting_.front().due <= Clock::now()) {
        answer(waiting_.front().fd);
        waiting_.pop_front();
      }
    }
  }

 private:
  struct Wait {
    Clock::time_point due;
    int fd;
  };

  void watch(int fd) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }
  int patience_ms() const {
    if (waiting_.empty()) return -1;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(waiting_.front().due - Clock::now());
    return left.count() > 0 ? static_cast<int>(left.count()) : 0;
  }
  void take(int fd) {
    if (fd == listener_) {
      const int peer = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (peer >= 0) watch(peer);
      return;
    }
    std::array<char, 65536> buffer;
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n <= 0) return end(fd);
    std::string& text = got_[fd];
    text.append(buffer.data(), static_cast<std::size_t>(n));
    if (!(is_clamd_ ? is_whole_clamd(text) : is_whole_rspamd(text))) return;
    if (delay_.count() == 0) return answer(fd);
    // Not looked at any more: the number stays taken until the answer is out.
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
    waiting_.push_back({Clock::now() + delay_, fd});
  }
  void answer(int fd) {
    (void)!::send(fd, answer_.data(), answer_.size(), MSG_NOSIGNAL);
    end(fd);
  }
  void end(int fd) {
    got_.erase(fd);
    ::close(fd);
  }

  int listener_;
  bool is_clamd_;
  std::chrono::milliseconds delay_;
  std::string answer_;
  int epoll_;
  std::unordered_map<int, std::string> got_;
  std::deque<Wait> waiting_;  // one delay for all: the first to come is the first due
};

}  // namespace

int main(int argc, char** argv) {
  const bool is_call = argc == 3 || argc == 4;
  const std::string_view kind = is_call ? argv[2] : "";
  const int listener = is_call ? listen_at(std::atoi(argv[1])) : -1;
  if (listener < 0 || (kind != "rspamd" && kind != "clamd")) {
    std::fputs("usage: instant_scanner PORT rspamd|clamd [MILLISECONDS]\n", stderr);
    return 64;
  }
  const std::chrono::milliseconds delay(argc == 4 ? std::atoi(argv[3]) : 0);
  Scanner(listener, kind == "clamd", delay).run();
}
