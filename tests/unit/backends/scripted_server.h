// A server on loopback whose every connection does what a test says, in a thread of its own.
#pragma once
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "backends/stream.h"

namespace sluice::backends {

class Peer {  // one connection, as the server sees it
 public:
  Peer(int fd, const std::atomic<bool>& stop) : fd_(fd), stop_(stop) {}
  // What comes until `end` is in it, the client closes, or the test ends.
  std::string read_until(std::string_view end) {
    std::string got;
    while (!stop_ && (got.empty() || got.find(end) == std::string::npos)) {
      pollfd ready{fd_, POLLIN, 0};
      if (::poll(&ready, 1, 20) <= 0) continue;
      char buffer[65536];
      const ssize_t n = ::read(fd_, buffer, sizeof buffer);
      if (n <= 0) break;
      got.append(buffer, static_cast<std::size_t>(n));
    }
    return got;
  }
  std::string read_some() { return read_until(""); }
  bool write(std::string_view bytes) {
    return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }
  void reset() {
    const linger at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  void hang() {
    while (!stop_) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  bool is_stopped() const { return stop_; }

 private:
  int fd_;
  const std::atomic<bool>& stop_;
};

class ScriptedServer {
 public:
  explicit ScriptedServer(std::function<void(Peer&)> script) : script_(std::move(script)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&at), size) == 0);
    REQUIRE(::listen(fd_, 64) == 0);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size);
    endpoint = *parse_endpoint("127.0.0.1:" + std::to_string(ntohs(at.sin_port)));
    thread_ = std::thread([this] { serve(); });
  }
  ~ScriptedServer() {
    stop_ = true;
    thread_.join();
    for (std::thread& peer : peers_) peer.join();
    ::close(fd_);
  }
  Endpoint endpoint;
  std::atomic<int> connections{0};

 private:
  void serve() {
    while (!stop_) {
      pollfd ready{fd_, POLLIN, 0};
      if (::poll(&ready, 1, 10) <= 0) continue;
      const int fd = ::accept(fd_, nullptr, nullptr);
      ++connections;
      peers_.emplace_back([this, fd] {
        Peer peer(fd, stop_);
        script_(peer);
        ::close(fd);
      });
    }
  }
  int fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
  std::function<void(Peer&)> script_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
  std::vector<std::thread> peers_;
};

}  // namespace sluice::backends
