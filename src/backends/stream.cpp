#include "backends/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sluice::backends {
namespace {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

SocketAddress unix_address(const std::string& path) {
  SocketAddress made;
  auto& address = reinterpret_cast<sockaddr_un&>(made.storage);
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), kMaxUnixPath));
  made.size = sizeof(sockaddr_un);
  return made;
}

SocketAddress inet_address(const IpAddress& ip, std::uint16_t port) {
  SocketAddress made;
  const auto& bytes = ip.bytes();
  if (ip.is_v4()) {
    auto& address = reinterpret_cast<sockaddr_in&>(made.storage);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    std::memcpy(&address.sin_addr, bytes.data() + 12, 4);
    made.size = sizeof(sockaddr_in);
  } else {
    auto& address = reinterpret_cast<sockaddr_in6&>(made.storage);
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    std::memcpy(&address.sin6_addr, bytes.data(), 16);
    made.size = sizeof(sockaddr_in6);
  }
  return made;
}

int socket_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

}  // namespace

// Kept alive by itself while an event is told: the owner may drop its Stream there.
class Stream::Socket final : public Watched, public std::enable_shared_from_this<Socket> {
 public:
  Socket(EventLoop& loop, const Options& options, Events events)
      : loop_(loop), options_(options), events_(std::move(events)) {}
  ~Socket() { close(); }

  void connect(const Endpoint& to);
  void write(std::string bytes);
  void close();
  std::size_t unsent() const { return unsent_.size() - sent_; }
  void on_ready(std::uint32_t events) override;

 private:
  void connected();
  bool send();     // false: ended
  bool receive();  // false: ended
  void end(StreamEnd how);
  void end_later(StreamEnd how);
  void rewatch();

  EventLoop& loop_;
  const Options options_;
  Events events_;
  int fd_ = -1;
  bool is_connected_ = false, is_over_ = false;
  std::string unsent_;
  std::size_t sent_ = 0;  // of unsent_
  std::uint32_t watched_ = 0;
  EventLoop::TimerId timer_ = 0;
};

void Stream::Socket::connect(const Endpoint& to) {
  const SocketAddress address =
      to.unix_path.empty() ? inet_address(to.address, to.port) : unix_address(to.unix_path);
  fd_ = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return end_later(StreamEnd::Refused);
  if (to.unix_path.empty()) {
    const int on = 1;  // small requests do not wait for an acknowledgement
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  const auto* at = reinterpret_cast<const sockaddr*>(&address.storage);
  if (::connect(fd_, at, address.size) != 0 && errno != EINPROGRESS)
    return end_later(StreamEnd::Refused);
  timer_ = loop_.in(options_.connect_timeout, [this] {
    timer_ = 0;
    end(StreamEnd::TimedOut);
  });
  rewatch();
}

void Stream::Socket::rewatch() {
  if (fd_ < 0) return;
  std::uint32_t wanted = 0;
  if (!is_connected_ || unsent() > 0) wanted |= EPOLLOUT;
  if (is_connected_) wanted |= EPOLLIN;
  if (wanted == watched_ && watched_ != 0) return;
  loop_.watch(fd_, wanted, *this);
  watched_ = wanted;
}

void Stream::Socket::on_ready(std::uint32_t events) {
  const auto self = shared_from_this();
  if (!is_connected_) {
    // A connection that stood and was reset before we looked is no refusal.
    const int error = socket_error(fd_);
    if (error != 0 && error != ECONNRESET) return end(StreamEnd::Refused);
    connected();
    if (is_over_) return;
    if (error != 0) return end(StreamEnd::Broken);
  }
  // What the server said before it broke the connection is told first.
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !receive()) return;
  if ((events & EPOLLOUT) != 0 && !send()) return;
  if (!is_over_) rewatch();
}

void Stream::Socket::connected() {
  loop_.cancel(std::exchange(timer_, 0));
  is_connected_ = true;
  if (events_.connected) events_.connected();
}

bool Stream::Socket::send() {
  while (unsent() > 0) {
    const ssize_t done = ::send(fd_, unsent_.data() + sent_, unsent(), MSG_NOSIGNAL);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return true;
    if (done < 0) return end(StreamEnd::Broken), false;
    sent_ += static_cast<std::size_t>(done);
  }
  if (unsent_.empty()) return true;
  unsent_.clear();
  sent_ = 0;
  if (events_.drained) events_.drained();
  return !is_over_;
}

bool Stream::Socket::receive() {
  std::array<char, kReadAtOnce> buffer;
  const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return true;
  if (got < 0) return end(StreamEnd::Broken), false;
  if (got == 0) return end(StreamEnd::Closed), false;
  events_.received({buffer.data(), static_cast<std::size_t>(got)});
  return !is_over_;
}

void Stream::Socket::write(std::string bytes) {
  if (is_over_ || bytes.empty()) return;
  if (unsent() + bytes.size() > options_.max_unsent) return end_later(StreamEnd::Overflow);
  if (unsent_.empty()) {
    unsent_ = std::move(bytes);
  } else {
    unsent_.erase(0, std::exchange(sent_, 0));
    unsent_ += bytes;
  }
  rewatch();
}

void Stream::Socket::close() {
  is_over_ = true;
  loop_.cancel(std::exchange(timer_, 0));
  if (fd_ < 0) return;
  loop_.forget(fd_);
  ::close(std::exchange(fd_, -1));
}

void Stream::Socket::end(StreamEnd how) {
  const auto self = shared_from_this();
  if (is_over_) return;
  close();
  if (const auto ended = std::move(events_.ended)) ended(how);
}

void Stream::Socket::end_later(StreamEnd how) {
  if (timer_ != 0) loop_.cancel(timer_);
  timer_ = loop_.in(Duration{0}, [this, how] {
    timer_ = 0;
    end(how);
  });
}

Stream::Stream(std::shared_ptr<Socket> socket) : socket_(std::move(socket)) {}
Stream::~Stream() { socket_->close(); }

std::unique_ptr<Stream> Stream::open(EventLoop& loop, const Endpoint& to, const Options& options,
                                     Events events) {
  auto socket = std::make_shared<Socket>(loop, options, std::move(events));
  socket->connect(to);
  return std::unique_ptr<Stream>(new Stream(std::move(socket)));
}

void Stream::write(std::string bytes) { socket_->write(std::move(bytes)); }
void Stream::close() { socket_->close(); }
std::size_t Stream::unsent() const { return socket_->unsent(); }

std::string_view stream_end_name(StreamEnd end) {
  constexpr std::string_view kNames[] = {"connection refused", "no connection in time",
                                         "connection closed", "connection broken",
                                         "too much to send"};
  return kNames[static_cast<std::size_t>(end)];
}

}  // namespace sluice::backends
