#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../socket_folder.h"
#include "milter/listener.h"
#include "milter/socket_address.h"

namespace sluice::milter {

namespace {

std::string temporary_folder() {
  std::string path = (testing::socket_folder() / "sluice-listener-XXXXXX").string();
  REQUIRE(::mkdtemp(path.data()) != nullptr);
  return path;
}

bool can_connect(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const bool ok = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return ok;
}

}  // namespace

TEST_CASE("listen: the three forms, and what is none of them") {
  CHECK(parse_listen("unix:/run/sluice/milter.sock")->path == "/run/sluice/milter.sock");
  CHECK(parse_listen("inet:127.0.0.1:7357")->port == 7357);
  CHECK(parse_listen("inet:[::1]:7357")->address == *IpAddress::parse("::1"));
  CHECK(parse_listen("inet:localhost:25")->to_string() == "inet:127.0.0.1:25");
  CHECK(parse_listen("fd:3")->fd == 3);
  for (const char* wrong : {"", "unix:", "unix:relative", "inet:7357", "inet::7357", "inet:127.0.0.1:99999", "inet:nowhere:25",
                            "fd:0", "fd:x", "tcp:127.0.0.1:1"})
    CHECK_FALSE(parse_listen(wrong).has_value());
  CHECK_FALSE(parse_listen("unix:/" + std::string(200, 'x')).has_value());
}

TEST_CASE("listen: a unix socket has mode 0660 and takes the path from a predecessor without a gap") {
  const std::string folder = temporary_folder();
  const auto spec = *parse_listen("unix:" + folder + "/m.sock");
  auto first = Listener::open(spec);
  REQUIRE(first.has_value());
  struct stat place {};
  REQUIRE(::stat(spec.path.c_str(), &place) == 0);
  CHECK((place.st_mode & 0777) == 0660);
  auto second = Listener::open(spec);
  REQUIRE(second.has_value());
  CHECK(can_connect(spec.path));
  CHECK(second->is_at_its_path());
  CHECK_FALSE(first->is_at_its_path());
  first->remove_path();  // the path is the successor's now
  CHECK(can_connect(spec.path));
  second->remove_path();
  CHECK_FALSE(second->is_at_its_path());
  CHECK_FALSE(can_connect(spec.path));
  std::filesystem::remove_all(folder);
}

TEST_CASE("listen: a file, a folder or a link at the path of the socket stays as it is") {
  const std::string folder = temporary_folder();
  const std::string file = folder + "/file", link = folder + "/link", inside = folder + "/folder";
  std::ofstream(file) << "kept";
  std::filesystem::create_symlink(file, link);
  std::filesystem::create_directory(inside);
  for (const std::string& path : {file, link, inside}) {
    const auto opened = Listener::open(*parse_listen("unix:" + path));
    REQUIRE_FALSE(opened.has_value());
    CHECK(opened.error().cause == Cause::Config);
    CHECK(opened.error().what.find(path) != std::string::npos);
  }
  std::string content;
  std::ifstream(file) >> content;
  CHECK(content == "kept");
  CHECK(std::filesystem::is_symlink(link));
  CHECK(std::distance(std::filesystem::directory_iterator(folder), {}) == 3);  // no name left over
  std::filesystem::remove_all(folder);
}

TEST_CASE("listen: TCP sockets carry TCP_NODELAY, which accepted ones inherit") {
  auto listener = Listener::open(*parse_listen("inet:127.0.0.1:0"));
  REQUIRE(listener.has_value());
  CHECK(listener->port() != 0);
  int on = 0;
  socklen_t length = sizeof on;
  REQUIRE(::getsockopt(listener->fd(), IPPROTO_TCP, TCP_NODELAY, &on, &length) == 0);
  CHECK(on != 0);
}

TEST_CASE("listen: beyond loopback only with allow_from") {
  const auto open_to_all = Listener::open(*parse_listen("inet:0.0.0.0:0"));
  REQUIRE_FALSE(open_to_all.has_value());
  CHECK(open_to_all.error().cause == Cause::Config);
}

TEST_CASE("listen: an inherited socket tells where it is, for the lines that attach an MTA") {
  const std::string path = temporary_folder() + "/sock";
  const auto unix_socket = Listener::open(*parse_listen("unix:" + path));
  REQUIRE(unix_socket.has_value());
  const auto port = Listener::open(*parse_listen("inet:127.0.0.1:0"));
  REQUIRE(port.has_value());
  const auto lines_of = [](int fd) {
    return Listener::open(*parse_listen("fd:" + std::to_string(::dup(fd))))->attach_lines();
  };
  CHECK(lines_of(unix_socket->fd()).find("`S=local:" + path) != std::string::npos);
  CHECK(lines_of(port->fd()).find("smtpd_milters = inet:127.0.0.1:" + std::to_string(port->port())) !=
        std::string::npos);
  CHECK_FALSE(place_of(999).has_value());
}

TEST_CASE("listen: a descriptor that is no listening socket is refused") {
  CHECK_FALSE(Listener::open(*parse_listen("fd:999")).has_value());
}

}  // namespace sluice::milter
