#include "app/control.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

namespace sluice::app {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxRequest = 64 * 1024;
constexpr std::size_t kMaxAnswer = 64u << 20;
constexpr int kTimeoutSeconds = 30;

Result<sockaddr_un> socket_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return config_error("`" + path + "` is no path for a socket");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

void set_timeouts(int fd) {
  const timeval limit{kTimeoutSeconds, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

// Up to the first newline, the end, or the cap.
std::string read_line(int fd, std::size_t cap) {
  std::string line;
  char buffer[4096];
  while (line.size() < cap) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    line.append(buffer, static_cast<std::size_t>(n));
    if (line.back() == '\n') break;
  }
  return line;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

ControlReply run_command(const std::map<std::string, ControlCommand>& commands,
                         const std::string& line) {
  const json request = json::parse(line, nullptr, false);
  if (!request.is_object() || !request.contains("command") || !request["command"].is_string())
    return {64, "no request that is understood here", "{}"};
  const auto command = commands.find(request["command"].get<std::string>());
  if (command == commands.end()) return {64, "the service knows no command of this name", "{}"};
  try {
    return command->second(request.value("arguments", json::object()));
  } catch (const std::exception& e) {
    return {70, std::string("internal error: ") + e.what(), "{}"};
  }
}

}  // namespace

Result<std::unique_ptr<ControlServer>> ControlServer::open(
    const std::string& path, std::map<std::string, ControlCommand> commands) {
  const std::string unique = path + "." + std::to_string(::getpid());
  const auto address = socket_address(unique);
  if (!address) return tl::unexpected(address.error());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return temporary(std::string("socket: ") + std::strerror(errno));
  ::unlink(unique.c_str());
  const mode_t before = ::umask(0117);
  const int bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof *address);
  ::umask(before);
  if (bound != 0 || ::listen(fd, 16) != 0 || ::rename(unique.c_str(), path.c_str()) != 0) {
    auto error = temporary(path + ": " + std::strerror(errno));
    ::close(fd);
    return error;
  }
  const int stop_fd = ::eventfd(0, EFD_CLOEXEC);
  return std::unique_ptr<ControlServer>(new ControlServer(path, fd, stop_fd, std::move(commands)));
}

ControlServer::ControlServer(std::string path, int fd, int stop_fd,
                             std::map<std::string, ControlCommand> commands)
    : path_(std::move(path)),
      fd_(fd),
      stop_fd_(stop_fd),
      commands_(std::move(commands)),
      thread_([this] { serve(); }) {}

ControlServer::~ControlServer() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(stop_fd_, &one, sizeof one);
  thread_.join();
  ::close(fd_);
  ::close(stop_fd_);
}

void ControlServer::serve() {
  for (;;) {
    pollfd places[2] = {{fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}};
    if (::poll(places, 2, -1) < 0 && errno != EINTR) return;
    if (places[1].revents != 0) return;
    if (places[0].revents == 0) continue;
    const int client = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    answer(client);
    ::close(client);
  }
}

void ControlServer::answer(int client) {
  set_timeouts(client);
  const ControlReply reply = run_command(commands_, read_line(client, kMaxRequest));
  json wire;
  wire["exit"] = reply.exit;
  wire["text"] = reply.text;
  wire["data"] = json::parse(reply.json, nullptr, false);
  write_all(client, dump(wire));
}

Result<ControlReply> ask_service(const std::string& path, const std::string& command,
                                 const json& arguments) {
  const auto address = socket_address(path);
  if (!address) return tl::unexpected(address.error());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return temporary(std::string("socket: ") + std::strerror(errno));
  set_timeouts(fd);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    auto error = temporary("no service answers at " + path + ": " + std::strerror(errno));
    ::close(fd);
    return error;
  }
  json request;
  request["command"] = command;
  request["arguments"] = arguments;
  write_all(fd, dump(request));
  const json wire = json::parse(read_line(fd, kMaxAnswer), nullptr, false);
  ::close(fd);
  if (!wire.is_object()) return temporary("the service gave no answer");
  return ControlReply{wire.value("exit", 70), wire.value("text", std::string()),
                      wire.value("data", json::object()).dump()};
}

}  // namespace sluice::app
