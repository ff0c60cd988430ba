#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <future>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/control.h"
#include "app/control_address.h"
#include "app/control_arguments.h"
#include "milter/socket_address.h"

namespace sluice::app {
namespace {

using backends::EventLoop;
using nlohmann::json;

constexpr int kBacklog = 16;
constexpr std::chrono::seconds kPauseWithoutDescriptors{1};

ControlReply run_command(const ControlCommands& commands, const std::string& line) {
  const json request = json::parse(line, nullptr, false);
  if (!request.is_object() || !request.contains("command") || !request["command"].is_string())
    return refusal(64, "no request that is understood here");
  const auto command = commands.find(request["command"].get<std::string>());
  if (command == commands.end()) return refusal(64, "the service knows no command of this name");
  try {
    return command->second(request.value("arguments", json::object()));
  } catch (const std::exception& e) {
    return refusal(70, std::string("internal error: ") + e.what());
  }
}

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

// One connection: a request line in, an answer out.
class Client final : public backends::Watched {
 public:
  Client(EventLoop& loop, int fd, const ControlCommands& commands, std::function<void()> gone)
      : loop_(loop), fd_(fd), commands_(commands), gone_(std::move(gone)) {
    loop_.watch(fd_, EPOLLIN, *this);
    expect();
  }
  ~Client() {
    loop_.cancel(timer_);
    loop_.forget(fd_);
    ::close(fd_);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void on_ready(std::uint32_t) override {
    if (!(is_answering_ ? send() : receive())) end();
  }

 private:
  // The time for what comes next.
  void expect() {
    loop_.cancel(timer_);
    timer_ = loop_.in(kControlPatience, [this] { end(); });
  }
  void end() {
    loop_.forget(fd_);
    gone_();
  }

  // False: it is over.
  bool receive() {
    std::array<char, 4096> bytes;
    const ssize_t n = ::recv(fd_, bytes.data(), bytes.size(), 0);
    if (n < 0) return would_block();
    line_.append(bytes.data(), static_cast<std::size_t>(n));
    const bool is_whole = n == 0 || line_.find('\n') != std::string::npos;
    if (n == 0 && line_.empty()) return false;
    if (!is_whole && line_.size() < kMaxControlRequest) return true;
    answer_ = answer_control_request(commands_, line_) + "\n";
    is_answering_ = true;
    expect();
    loop_.watch(fd_, EPOLLOUT, *this);
    return send();
  }

  bool send() {
    while (sent_ < answer_.size()) {
      const ssize_t n = ::send(fd_, answer_.data() + sent_, answer_.size() - sent_, MSG_NOSIGNAL);
      if (n < 0) return would_block();
      sent_ += static_cast<std::size_t>(n);
    }
    return false;
  }

  EventLoop& loop_;
  const int fd_;
  const ControlCommands& commands_;
  const std::function<void()> gone_;
  std::string line_, answer_;
  std::size_t sent_ = 0;
  bool is_answering_ = false;
  EventLoop::TimerId timer_ = 0;
};

}  // namespace

std::string answer_control_request(const ControlCommands& commands, const std::string& line) {
  const ControlReply reply = run_command(commands, line);
  json wire;
  wire["exit"] = reply.exit;
  wire["text"] = reply.text;
  json data = json::parse(reply.json, nullptr, false);
  wire["data"] = data.is_discarded() ? json::object() : std::move(data);
  return wire.dump(-1, ' ', false, json::error_handler_t::replace);
}

// The listening socket and its clients; on the loop's thread.
class ControlServer::Desk final : public backends::Watched {
 public:
  Desk(EventLoop& loop, int fd, ControlCommands commands)
      : loop_(loop), fd_(fd), commands_(std::move(commands)) {}
  ~Desk() { ::close(fd_); }
  Desk(const Desk&) = delete;
  Desk& operator=(const Desk&) = delete;

  void listen() { loop_.watch(fd_, EPOLLIN, *this); }
  void close() {
    loop_.cancel(timer_);
    loop_.forget(fd_);
    clients_.clear();
  }

  void on_ready(std::uint32_t) override {
    const int client = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client >= 0) return add(client);
    if (would_block() || errno == ECONNABORTED) return;
    // No descriptors left: the waiting client would wake the loop without end.
    loop_.forget(fd_);
    timer_ = loop_.in(kPauseWithoutDescriptors, [this] { listen(); });
  }

 private:
  void add(int client) {
    if (clients_.size() >= kMaxControlClients) clients_.erase(clients_.begin());
    const std::uint64_t id = ++last_id_;
    // It is in a call of its own when it is over: it goes after that.
    clients_.try_emplace(id, loop_, client, commands_,
                         [this, id] { loop_.in(Duration{0}, [this, id] { clients_.erase(id); }); });
  }

  EventLoop& loop_;
  const int fd_;
  const ControlCommands commands_;
  std::map<std::uint64_t, Client> clients_;  // oldest first
  std::uint64_t last_id_ = 0;
  EventLoop::TimerId timer_ = 0;
};

Result<std::unique_ptr<ControlServer>> ControlServer::open(const std::string& path,
                                                           ControlCommands commands) {
  const std::string unique = path + "." + std::to_string(::getpid());
  const auto address = control_address(unique);
  if (!address) return tl::unexpected(address.error());
  if (const auto free = milter::is_free_for_socket(path); !free) return tl::unexpected(free.error());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return temporary(std::string("socket: ") + std::strerror(errno));
  ::unlink(unique.c_str());
  const mode_t before = ::umask(0117);
  const int bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof *address);
  ::umask(before);
  if (bound != 0 || ::listen(fd, kBacklog) != 0 || ::rename(unique.c_str(), path.c_str()) != 0) {
    auto error = temporary(path + ": " + std::strerror(errno));
    ::close(fd);
    return error;
  }
  auto loop = EventLoop::start("sluice-control");
  if (!loop) {
    ::close(fd);
    return tl::unexpected(loop.error());
  }
  auto desk = std::make_unique<Desk>(**loop, fd, std::move(commands));
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(*loop), std::move(desk)));
}

ControlServer::ControlServer(std::unique_ptr<EventLoop> loop, std::unique_ptr<Desk> desk)
    : loop_(std::move(loop)), desk_(std::move(desk)) {
  loop_->post([this] { desk_->listen(); });
}

ControlServer::~ControlServer() {
  loop_->post([this] { desk_->close(); });
  loop_.reset();
}

}  // namespace sluice::app
