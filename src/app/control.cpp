#include "app/control.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "app/control_address.h"

namespace sluice::app {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxAnswer = 64u << 20;

void set_timeouts(int fd) {
  const timeval limit{kControlPatience.count(), 0};
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

}  // namespace

Result<sockaddr_un> control_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return config_error("`" + path + "` is no path for a socket");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

Result<ControlReply> ask_service(const std::string& path, const std::string& command,
                                 const json& arguments) {
  const auto address = control_address(path);
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
