// empty_epoll - the same filter that does nothing, on one thread and plain epoll: what the protocol
// itself costs.
//
//   empty_epoll SOCKET
//
// SOCKET is unix:PATH. Takes connect, helo, mail, rcpt and the end of the message and answers each
// with "continue"; a frame that is too long or unknown ends its connection. Ends with SIGTERM.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "milter_peer/frame.h"
#include "milter_peer/protocol.h"

namespace {

using namespace sluice::peer;

constexpr std::uint32_t kDeclined = kNoBody | kNoHeaders | kNoEndOfHeaders | kNoUnknown | kNoData;
constexpr int kBacklog = 1024;

struct Session {
  FrameReader frames;
};

std::string negotiation(std::string_view offer) {
  std::string body;
  append_u32(body, kProtocolVersion);
  append_u32(body, 0);
  append_u32(body, offer.size() < 12 ? 0 : read_u32(offer.substr(8)) & kDeclined);
  return body;
}

// Appends the answer to one frame; false ends the connection.
bool answer(const Frame& frame, std::string& out) {
  constexpr std::string_view kAnswered = "CHMREUTLNB", kSilent = "ADK";
  if (frame.code == static_cast<char>(Command::Negotiate)) {
    append_frame(out, frame.code, negotiation(frame.body));
    return true;
  }
  if (kAnswered.find(frame.code) != std::string_view::npos) {
    append_frame(out, static_cast<char>(AnswerCode::Continue), {});
    return true;
  }
  return kSilent.find(frame.code) != std::string_view::npos;
}

class Server {
 public:
  explicit Server(int listener) : listener_(listener), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    watch(listener_);
  }

  void run() {
    std::array<epoll_event, 256> events;
    while (true) {
      const int ready = ::epoll_wait(epoll_, events.data(), events.size(), -1);
      for (int i = 0; i < ready; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd == listener_) {
          accept_all();
        } else if (!serve(fd)) {
          sessions_.erase(fd);
          ::close(fd);
        }
      }
    }
  }

 private:
  void watch(int fd) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void accept_all() {
    while (true) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      sessions_.emplace(fd, std::make_unique<Session>());
      watch(fd);
    }
  }

  bool serve(int fd) {
    std::array<char, 65536> buffer;
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) return false;
    FrameReader& frames = sessions_[fd]->frames;
    frames.feed({buffer.data(), static_cast<std::size_t>(got)});
    std::string out;
    while (const auto frame = frames.next())
      if (!answer(*frame, out)) return false;
    if (frames.is_broken()) return false;
    // An answer is a few bytes on a socket that the peer waits on: it always fits.
    return out.empty() || ::send(fd, out.data(), out.size(), MSG_NOSIGNAL) > 0;
  }

  int listener_;
  int epoll_;
  std::unordered_map<int, std::unique_ptr<Session>> sessions_;
};

int listen_on(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return -1;
  path.copy(address.sun_path, path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd, kBacklog) != 0)
    return -1;
  return fd;
}

}  // namespace

int main(int argc, char** argv) {
  constexpr std::string_view kUnix = "unix:";
  const std::string_view at = argc == 2 ? argv[1] : "";
  if (!at.starts_with(kUnix)) {
    std::fputs("usage: empty_epoll unix:PATH\n", stderr);
    return 64;
  }
  const int listener = listen_on(std::string(at.substr(kUnix.size())));
  if (listener < 0) {
    std::perror("empty_epoll: listen");
    return 69;
  }
  Server(listener).run();
}
