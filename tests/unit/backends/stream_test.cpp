#include "backends/stream.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <future>
#include <optional>
#include <thread>

using namespace sluice;
using namespace sluice::backends;

namespace {

// A listening socket on loopback.
struct Server {
  int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  Endpoint endpoint;
  Server() {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&at), size) == 0);
    REQUIRE(::listen(fd, 8) == 0);
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
    endpoint = *parse_endpoint("127.0.0.1:" + std::to_string(ntohs(at.sin_port)));
  }
  ~Server() { ::close(fd); }
  int accept() const { return ::accept(fd, nullptr, nullptr); }
};

std::string read_some(int fd, std::size_t wanted) {
  std::string all;
  char buffer[4096];
  while (all.size() < wanted) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n <= 0) break;
    all.append(buffer, static_cast<std::size_t>(n));
  }
  return all;
}

// A stream whose story is kept.
struct Told {
  std::unique_ptr<EventLoop> loop = std::move(*EventLoop::start("stream test"));
  std::unique_ptr<Stream> stream;
  std::string received;
  bool was_connected = false;
  std::promise<StreamEnd> ended;

  template <class Task>
  void on_loop(Task task) {
    std::promise<void> done;
    loop->post([&] {
      task();
      done.set_value();
    });
    done.get_future().get();
  }
  void open(const Endpoint& to, Stream::Options options = {}) {
    on_loop([&] {
      stream = Stream::open(*loop, to, options,
                            {[this] { was_connected = true; },
                             [this](std::string_view bytes) { received += bytes; },
                             {},
                             [this](StreamEnd how) { ended.set_value(how); }});
    });
  }
  StreamEnd wait() { return ended.get_future().get(); }
  ~Told() {
    on_loop([&] { stream.reset(); });
  }
};

}  // namespace

TEST_CASE("endpoints are read as they are written") {
  const auto text = [](std::string_view t, std::uint16_t port = 0) {
    const auto endpoint = parse_endpoint(t, port);
    return endpoint ? endpoint->to_string() : "refused";
  };
  CHECK(text("127.0.0.1:783") == "127.0.0.1:783");
  CHECK(text("inet:127.0.0.1:783") == "127.0.0.1:783");
  CHECK(text("localhost:783") == "127.0.0.1:783");
  CHECK(text("[::1]:783") == "[::1]:783");
  CHECK(text("::1", 783) == "[::1]:783");
  CHECK(text("[::1]", 783) == "[::1]:783");
  CHECK(text("127.0.0.1", 783) == "127.0.0.1:783");
  CHECK(text("unix:/run/x.sock") == "unix:/run/x.sock");
  for (const char* bad : {"", "unix:", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536",
                          "127.0.0.1:7x", ":783", "name.example:783", "::1", "[::1:783", "[]:1"})
    CHECK(text(bad) == "refused");
  CHECK(text("unix:" + std::string(108, 'a')) == "refused");
}

TEST_CASE("what is written before the connection stands arrives, the answer and the close are told") {
  Server server;
  std::thread peer([&] {
    const int fd = server.accept();
    const std::string got = read_some(fd, 300'005);
    const std::string answer = "got " + std::to_string(got.size());
    (void)!::write(fd, answer.data(), answer.size());
    ::close(fd);
  });
  Told told;
  told.open(server.endpoint);
  told.on_loop([&] {
    told.stream->write(std::string(300'000, 'a'));
    told.stream->write(std::string(5, 'b'));
  });
  CHECK(told.wait() == StreamEnd::Closed);
  CHECK(told.was_connected);
  CHECK(told.received == "got 300005");
  peer.join();
}

TEST_CASE("a server that is not there is a refusal, told later and once") {
  Endpoint nobody;
  {
    Server server;
    nobody = server.endpoint;
  }
  Told inet;
  inet.open(nobody);
  CHECK(inet.wait() == StreamEnd::Refused);
  Told unix_path;
  unix_path.open(*parse_endpoint("unix:/nonexistent/socket"));
  CHECK(unix_path.wait() == StreamEnd::Refused);
  CHECK_FALSE(unix_path.was_connected);
}

TEST_CASE("a server that takes no connection is given up in time") {
  // A full backlog: the kernel leaves further connections unanswered.
  Server server;
  ::listen(server.fd, 0);
  std::vector<int> fillers;
  for (int i = 0; i < 4; ++i) {
    fillers.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(server.endpoint.port);
    ::connect(fillers.back(), reinterpret_cast<sockaddr*>(&at), sizeof at);
  }
  Told told;
  told.open(server.endpoint, {.connect_timeout = Duration{50}});
  CHECK(told.wait() == StreamEnd::TimedOut);
  for (const int fd : fillers) ::close(fd);
}

TEST_CASE("more than may wait to be sent ends the stream") {
  Server server;
  Told told;
  told.open(server.endpoint, {.max_unsent = 1000});
  told.on_loop([&] { told.stream->write(std::string(1001, 'a')); });
  CHECK(told.wait() == StreamEnd::Overflow);
}

TEST_CASE("a reset is told as broken, after what was sent before it") {
  Server server;
  Told told;
  told.open(server.endpoint);
  const int fd = server.accept();
  (void)!::write(fd, "last words", 10);
  while (true) {
    std::string seen;
    told.on_loop([&] { seen = told.received; });
    if (seen == "last words") break;
    std::this_thread::yield();
  }
  const linger hard{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  ::close(fd);
  CHECK(told.wait() == StreamEnd::Broken);
}

TEST_CASE("a connection that was reset before anybody looked has stood and was broken") {
  Server server;
  Told told;
  told.on_loop([&] {
    told.stream = Stream::open(*told.loop, server.endpoint, {},
                               {[&] { told.was_connected = true; },
                                [&](std::string_view bytes) { told.received += bytes; },
                                {},
                                [&](StreamEnd how) { told.ended.set_value(how); }});
    // The loop is here and looks only after this.
    const int fd = server.accept();
    const linger hard{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    ::close(fd);
  });
  CHECK(told.wait() == StreamEnd::Broken);
  CHECK(told.was_connected);
}

TEST_CASE("a stream may be destroyed by its own event, and tells nothing more") {
  Server server;
  Told told;
  std::promise<void> destroyed;
  told.on_loop([&] {
    told.stream = Stream::open(*told.loop, server.endpoint, {},
                               {{},
                                [&](std::string_view) {
                                  told.stream.reset();
                                  destroyed.set_value();
                                },
                                {},
                                [&](StreamEnd how) { told.ended.set_value(how); }});
  });
  const int fd = server.accept();
  (void)!::write(fd, "x", 1);
  destroyed.get_future().get();
  char c = 0;
  CHECK(::read(fd, &c, 1) == 0);
  ::close(fd);
  CHECK(told.ended.get_future().wait_for(std::chrono::milliseconds(20)) ==
        std::future_status::timeout);
}
