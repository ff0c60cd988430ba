// FakeRedis: a server on loopback that answers as a test tells it: rightly, wrongly, in drips, or
// not at all. It parses what it is sent with RESP's own rules (only what clients send).
#pragma once
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace sluice::backends {

using Words = std::vector<std::string>;

// What the server does when a command has come.
struct Reaction {
  std::string bytes;
  bool closes = false;                 // afterwards
  std::size_t piece = 0;               // not 0: so many bytes at once, with a pause between
  std::chrono::milliseconds pause{0};  // before the answer, or between its pieces
};

class FakeRedis {
 public:
  using Behaviour = std::function<Reaction(const Words& words)>;

  explicit FakeRedis(Behaviour behaviour) : behaviour_(std::move(behaviour)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    REQUIRE(::bind(listening_, reinterpret_cast<sockaddr*>(&at), size) == 0);
    REQUIRE(::listen(listening_, 64) == 0);
    ::getsockname(listening_, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~FakeRedis() {
    is_over_ = true;
    ::shutdown(listening_, SHUT_RDWR);
    acceptor_.join();
    close_connections();
    for (std::thread& each : serving_) each.join();
    ::close(listening_);
  }
  int port() const { return port_; }
  std::string at() const { return "127.0.0.1:" + std::to_string(port_); }
  // Commands other than PING, ROLE, AUTH.
  std::vector<Words> calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  std::size_t count(const std::string& command) const {
    const auto all = calls();
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [&](const Words& w) { return w[0] == command; }));
  }
  int accepted() const { return accepted_; }
  void close_connections() {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  // What a well server says to PING, ROLE and AUTH.
  static std::string greeting(const Words& words) {
    if (words[0] == "ROLE") return "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n";
    return words[0] == "AUTH" ? "+OK\r\n" : "+PONG\r\n";
  }
  static bool is_greeting(const Words& words) {
    return words[0] == "PING" || words[0] == "ROLE" || words[0] == "AUTH";
  }

 private:
  void accept_all() {
    for (;;) {
      const int fd = ::accept(listening_, nullptr, nullptr);
      if (fd < 0 || is_over_) {
        if (fd >= 0) ::close(fd);
        return;
      }
      ++accepted_;
      const std::lock_guard lock(mutex_);
      open_.push_back(fd);
      serving_.emplace_back([this, fd] { serve(fd); });
    }
  }
  void serve(int fd) {
    std::string got;
    char buffer[4096];
    for (bool is_open = true; is_open;) {
      const ssize_t n = ::read(fd, buffer, sizeof buffer);
      if (n <= 0) break;
      got.append(buffer, static_cast<std::size_t>(n));
      while (is_open) {
        const Words words = take(got);
        if (words.empty()) break;
        is_open = react(fd, words);
      }
    }
    const std::lock_guard lock(mutex_);
    open_.erase(std::find(open_.begin(), open_.end(), fd));
    ::close(fd);
  }
  bool react(int fd, const Words& words) {
    if (!is_greeting(words)) {
      const std::lock_guard lock(mutex_);
      calls_.push_back(words);
    }
    const Reaction reaction = behaviour_(words);
    const std::size_t piece = reaction.piece == 0 ? reaction.bytes.size() : reaction.piece;
    for (std::size_t at = 0; at < reaction.bytes.size() && !is_over_; at += piece) {
      std::this_thread::sleep_for(reaction.pause);
      const std::size_t size = std::min(piece, reaction.bytes.size() - at);
      if (::send(fd, reaction.bytes.data() + at, size, MSG_NOSIGNAL) < 0) return false;
    }
    return !reaction.closes;
  }
  // The first whole command, taken from the front.
  static Words take(std::string& bytes) {
    Words words;
    std::size_t at = 0;
    const auto number = [&](char type) -> long {
      const std::size_t end = bytes.find("\r\n", at);
      if (end == std::string::npos || bytes[at] != type) return -1;
      const long value = std::stol(bytes.substr(at + 1, end - at - 1));
      at = end + 2;
      return value;
    };
    const long count = number('*');
    for (long i = 0; i < count; ++i) {
      const long size = number('$');
      if (size < 0 || bytes.size() < at + static_cast<std::size_t>(size) + 2) return {};
      words.push_back(bytes.substr(at, static_cast<std::size_t>(size)));
      at += static_cast<std::size_t>(size) + 2;
    }
    bytes.erase(0, at);
    return words;
  }

  Behaviour behaviour_;
  int listening_ = ::socket(AF_INET, SOCK_STREAM, 0);
  int port_ = 0;
  std::atomic<bool> is_over_{false};
  std::atomic<int> accepted_{0};
  mutable std::mutex mutex_;
  std::vector<Words> calls_;
  std::vector<int> open_;
  std::thread acceptor_;
  std::vector<std::thread> serving_;
};

}  // namespace sluice::backends
