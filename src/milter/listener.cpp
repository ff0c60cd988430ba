#include "milter/listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>

#include "milter/socket_address.h"

namespace sluice::milter {
namespace {

constexpr int kBacklog = 512;
constexpr std::size_t kMaxPathBytes = 100;  // sun_path has 108, our unique suffix needs some

std::string system_error(std::string what) { return what + ": " + std::strerror(errno); }

std::optional<std::uint16_t> parse_port(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > 65535)
    return std::nullopt;
  return static_cast<std::uint16_t>(value);
}

Result<ListenSpec> parse_unix(std::string_view path) {
  if (path.empty() || path[0] != '/') return config_error("a unix socket needs an absolute path");
  if (path.size() > kMaxPathBytes)
    return config_error("the path of a unix socket may have 100 bytes");
  ListenSpec spec;
  spec.path = std::string(path);
  return spec;
}

Result<ListenSpec> parse_inet(std::string_view rest) {
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos || colon == 0)
    return config_error(
        "write inet:HOST:PORT; without a host the whole world could speak to the filter");
  std::string_view host = rest.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  const auto address = IpAddress::parse(host);
  const auto port = parse_port(rest.substr(colon + 1));
  if (!address) return config_error("`" + std::string(host) + "` is no address");
  if (!port)
    return config_error("`" + std::string(rest.substr(colon + 1)) + "` is no port (0 to 65535)");
  ListenSpec spec;
  spec.kind = ListenSpec::Kind::Inet;
  spec.address = *address;
  spec.port = *port;
  return spec;
}

Result<ListenSpec> parse_inherited(std::string_view number) {
  const auto fd = parse_port(number);
  if (!fd || *fd < 3) return config_error("write fd:3 or higher");
  ListenSpec spec;
  spec.kind = ListenSpec::Kind::Inherited;
  spec.fd = *fd;
  return spec;
}

bool is_loopback(const IpAddress& a) {
  static const Network v4(IpAddress::from_v4(0x7f000000), 8);
  return v4.contains(a) || a == *IpAddress::parse("::1");
}

Result<int> open_unix(const ListenSpec& spec, const std::string& unique) {
  if (const auto free = is_free_for_socket(spec.path); !free) return tl::unexpected(free.error());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return temporary(system_error("socket"));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, unique.c_str(), unique.size() + 1);
  ::unlink(unique.c_str());
  // The mode is set by umask when the name appears: no moment at which others could connect.
  const mode_t before = ::umask(0117);
  const int bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  ::umask(before);
  if (bound != 0 || ::listen(fd, kBacklog) != 0 ||
      ::rename(unique.c_str(), spec.path.c_str()) != 0) {
    auto error = temporary(system_error(spec.path));
    ::unlink(unique.c_str());
    ::close(fd);
    return error;
  }
  return fd;
}

socklen_t to_sockaddr(const ListenSpec& spec, sockaddr_storage& storage) {
  if (spec.address.is_v4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(spec.port);
    std::memcpy(&v4->sin_addr, spec.address.bytes().data() + 12, 4);
    return sizeof *v4;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(spec.port);
  std::memcpy(&v6->sin6_addr, spec.address.bytes().data(), 16);
  return sizeof *v6;
}

Result<int> open_inet(const ListenSpec& spec) {
  if (spec.is_open_to_others() && spec.allow_from.empty())
    return config_error(
        spec.to_string() +
        ": whoever connects can claim any login; name the MTA's hosts in allow_from");
  sockaddr_storage storage{};
  const socklen_t length = to_sockaddr(spec, storage);
  const int fd = ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return temporary(system_error("socket"));
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&storage), length) != 0 ||
      ::listen(fd, kBacklog) != 0) {
    auto error = temporary(system_error(spec.to_string()));
    ::close(fd);
    return error;
  }
  return fd;
}

Result<int> take_inherited(const ListenSpec& spec) {
  int listening = 0;
  socklen_t length = sizeof listening;
  if (::getsockopt(spec.fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0 || listening == 0)
    return config_error(spec.to_string() + ": no listening socket was inherited there");
  ::fcntl(spec.fd, F_SETFD, FD_CLOEXEC);
  const int on = 1;
  ::setsockopt(spec.fd, IPPROTO_TCP, TCP_NODELAY, &on,
               sizeof on);  // fails on a unix socket, which needs none
  return spec.fd;
}

}  // namespace

Result<ListenSpec> parse_listen(std::string_view text) {
  const auto after = [&text](std::string_view prefix) -> std::optional<std::string_view> {
    if (text.substr(0, prefix.size()) != prefix) return std::nullopt;
    return text.substr(prefix.size());
  };
  if (const auto path = after("unix:")) return parse_unix(*path);
  if (const auto rest = after("inet:")) return parse_inet(*rest);
  if (const auto number = after("fd:")) return parse_inherited(*number);
  return config_error("`" + std::string(text) + "` is none of unix:PATH, inet:HOST:PORT, fd:3");
}

bool ListenSpec::is_open_to_others() const { return kind == Kind::Inet && !is_loopback(address); }

std::string ListenSpec::to_string() const {
  if (kind == Kind::Unix) return "unix:" + path;
  if (kind == Kind::Inherited) return "fd:" + std::to_string(fd);
  const std::string host = address.to_string();
  return "inet:" + (address.is_v4() ? host : "[" + host + "]") + ":" + std::to_string(port);
}

Result<Listener> Listener::open(const ListenSpec& spec) {
  if (spec.kind == ListenSpec::Kind::Inherited) {
    auto fd = take_inherited(spec);
    if (!fd) return tl::unexpected(fd.error());
    return Listener(spec, *fd);
  }
  const std::string unique = spec.path + "." + std::to_string(::getpid() % 100'000);
  auto fd = spec.kind == ListenSpec::Kind::Unix ? open_unix(spec, unique) : open_inet(spec);
  if (!fd) return tl::unexpected(fd.error());
  Listener listener(spec, *fd);
  struct stat place {};
  if (spec.kind == ListenSpec::Kind::Unix && ::lstat(spec.path.c_str(), &place) == 0) {
    listener.device_ = place.st_dev;
    listener.inode_ = place.st_ino;
  }
  if (spec.kind == ListenSpec::Kind::Inet) listener.spec_.port = listener.port();
  return listener;
}

Listener::Listener(Listener&& other) noexcept
    : spec_(std::move(other.spec_)),
      fd_(std::exchange(other.fd_, -1)),
      device_(other.device_),
      inode_(other.inode_) {}

Listener::~Listener() {
  if (fd_ >= 0) ::close(fd_);
}

int Listener::release() { return std::exchange(fd_, -1); }

std::uint16_t Listener::port() const {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (spec_.kind != ListenSpec::Kind::Inet || fd_ < 0) return spec_.port;
  if (::getsockname(fd_, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return spec_.port;
  return ntohs(storage.ss_family == AF_INET ? reinterpret_cast<sockaddr_in*>(&storage)->sin_port
                                            : reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port);
}

std::string Listener::attach_lines() const {
  ListenSpec spec = spec_;
  if (spec_.kind == ListenSpec::Kind::Inherited) spec = place_of(spec_.fd).value_or(spec_);
  std::string postfix = spec.to_string();
  std::string sendmail = "local:" + spec.path;
  if (spec.kind == ListenSpec::Kind::Inet)
    sendmail = (spec.address.is_v4() ? "inet:" : "inet6:") + std::to_string(spec.port) + "@" +
               spec.address.to_string();
  if (spec.kind == ListenSpec::Kind::Inherited) postfix = sendmail = "ADDRESS OF THE SOCKET UNIT";
  return "main.cf:     smtpd_milters = " + postfix +
         "\n             milter_default_action = tempfail\n" +
         "sendmail.mc: INPUT_MAIL_FILTER(`sluice', `S=" + sendmail +
         ", F=T, T=C:30s;S:30s;R:30s;E:5m')dnl\n";
}

bool Listener::is_at_its_path() const {
  struct stat place {};
  if (spec_.kind != ListenSpec::Kind::Unix) return true;
  if (::lstat(spec_.path.c_str(), &place) != 0) return errno != ENOENT;
  return place.st_dev == device_ && place.st_ino == inode_;
}

void Listener::remove_path() const {
  if (spec_.kind == ListenSpec::Kind::Unix && is_at_its_path()) ::unlink(spec_.path.c_str());
}

}  // namespace sluice::milter
