#include "app/admin_server.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <vector>

namespace sluice::app {

namespace {

constexpr int kPatience = 60'000;  // ms

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

// Both ends; the first is what the server holds.
std::pair<Descriptor, Descriptor> pair_of_sockets() {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

bool is_cut(const Descriptor& client) {
  pollfd poll{client.fd(), POLLIN, 0};
  return ::poll(&poll, 1, 0) == 1;
}

class Place {
 public:
  Place() { REQUIRE(::mkdtemp(folder_.data()) != nullptr); }
  ~Place() { std::filesystem::remove_all(folder_); }
  std::string path() const { return folder_ + "/admin.sock"; }
  Descriptor connect() const {
    Descriptor client(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path().c_str(), sizeof address.sun_path - 1);
    REQUIRE(::connect(client.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    return client;
  }

 private:
  std::string folder_ = (std::filesystem::temp_directory_path() / "sluice-admin-XXXXXX").string();
};

// The first octets of the answer; empty when the connection ends or nothing comes.
std::string ask(const Descriptor& client) {
  const std::string request = "GET /healthz HTTP/1.1\r\n\r\n";
  if (::send(client.fd(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return {};
  pollfd poll{client.fd(), POLLIN, 0};
  if (::poll(&poll, 1, kPatience) != 1) return {};
  char octets[15];
  const ssize_t size = ::recv(client.fd(), octets, sizeof octets, 0);
  return size > 0 ? std::string(octets, static_cast<std::size_t>(size)) : std::string();
}

std::unique_ptr<AdminServer> healthy_server(const Place& place) {
  auto server = AdminServer::open(*milter::parse_listen("unix:" + place.path()),
                                  {{"/healthz", [](const AdminArguments&) {
                                      return AdminPage{200, "text/plain", "ok\n"};
                                    }}});
  REQUIRE(server);
  return std::move(*server);
}

}  // namespace

TEST_CASE("admin connections: of too many the one that has been silent longest is cut") {
  AdminConnections connections(2);
  const auto first = pair_of_sockets(), second = pair_of_sockets(), third = pair_of_sockets();
  const auto a = connections.begin(first.first.fd()), b = connections.begin(second.first.fd());
  connections.asked(a);
  CHECK_FALSE(is_cut(second.second));
  const auto c = connections.begin(third.first.fd());
  CHECK_FALSE(is_cut(first.second));
  CHECK(is_cut(second.second));
  CHECK_FALSE(is_cut(third.second));
  connections.asked(b);  // its request was on the way: too late
  CHECK(connections.size() == 2);
  connections.end(b);
  CHECK(connections.size() == 2);
  connections.end(a);
  connections.end(c);
  CHECK(connections.size() == 0);
}

TEST_CASE("admin server: who opens connections and says nothing keeps nobody from an answer") {
  const Place place;
  const auto server = healthy_server(place);
  const Descriptor monitor = place.connect();
  CHECK(ask(monitor) == "HTTP/1.1 200 OK");
  {
    // Each waits for the timeouts of those before it, where silence holds a place.
    std::vector<Descriptor> silent;
    for (unsigned i = 0; i < 6 * AdminServer::kMaxConnections; ++i) silent.push_back(place.connect());
    CHECK(ask(place.connect()) == "HTTP/1.1 200 OK");
    CHECK(is_cut(silent.front()));
    CHECK_FALSE(is_cut(silent.back()));
  }
  CHECK(ask(place.connect()) == "HTTP/1.1 200 OK");
}

TEST_CASE("admin server: the end of the server ends connections that are open") {
  const Place place;
  auto server = healthy_server(place);
  const Descriptor silent = place.connect(), spoken = place.connect();
  CHECK(ask(spoken) == "HTTP/1.1 200 OK");
  server.reset();
  CHECK(::access(place.path().c_str(), F_OK) != 0);
}

}  // namespace sluice::app
