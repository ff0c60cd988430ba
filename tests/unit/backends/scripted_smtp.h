// An SMTP server on loopback that says what its script says. A script is a function that plays one
// connection; connections are played side by side, each in a thread. Nothing in it waits longer
// than kPatience.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace sluice::backends {

inline constexpr int kPatienceSeconds = 120;

// One connection, as the script sees it.
class SmtpPeer {
 public:
  SmtpPeer(int fd, std::function<void(const std::string&)> heard)
      : fd_(fd), heard_(std::move(heard)) {}
  ~SmtpPeer() {
    if (fd_ >= 0) ::close(fd_);
  }
  // False: the client is gone.
  bool say(const std::string& lines) { return say_bytes(lines + "\r\n"); }
  bool say_bytes(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  // Without CRLF; empty at the end of the stream.
  std::string hear() {
    std::size_t end;
    while ((end = buffer_.find("\r\n")) == std::string::npos) {
      char bytes[4096];
      const ssize_t n = ::recv(fd_, bytes, sizeof bytes, 0);
      if (n <= 0) return {};
      buffer_.append(bytes, static_cast<std::size_t>(n));
    }
    std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + 2);
    heard_(line);
    return line;
  }
  void reset() {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    ::close(fd_);
    fd_ = -1;
  }
  // Says nothing more until the client has closed.
  void hold() {
    while (!hear().empty()) {
    }
  }

 private:
  int fd_;
  std::string buffer_;
  std::function<void(const std::string&)> heard_;
};

class ScriptedSmtp {
 public:
  using Script = std::function<void(SmtpPeer&)>;

  explicit ScriptedSmtp(Script script, const std::string& host = "127.0.0.1",
                        std::uint16_t port = 0)
      : script_(std::move(script)) {
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    ::inet_pton(AF_INET, host.c_str(), &at.sin_addr);
    socklen_t size = sizeof at;
    const int on = 1;
    ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&at), size) == 0);
    REQUIRE(::listen(fd_, 64) == 0);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~ScriptedSmtp() {
    is_stopping_ = true;
    thread_.join();
    for (auto& connection : connections_) connection.join();
    ::close(fd_);
  }
  std::uint16_t port() const { return port_; }
  int sessions() const { return sessions_; }
  // All lines of all clients.
  std::vector<std::string> heard() const {
    const std::lock_guard lock(mutex_);
    return heard_;
  }
  std::string last_heard() const {
    const auto lines = heard();
    return lines.empty() ? "" : lines.back();
  }

 private:
  void serve() {
    while (!is_stopping_) {
      pollfd place{fd_, POLLIN, 0};
      if (::poll(&place, 1, 20) <= 0) continue;
      const int client = ::accept(fd_, nullptr, nullptr);
      if (client < 0) continue;
      const timeval patience{kPatienceSeconds, 0};
      ::setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      ::setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
      ++sessions_;
      connections_.emplace_back([this, client] {
        SmtpPeer peer(client, [this](const std::string& line) {
          const std::lock_guard lock(mutex_);
          heard_.push_back(line);
        });
        script_(peer);
      });
    }
  }

  const Script script_;
  int fd_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> is_stopping_{false};
  std::atomic<int> sessions_{0};
  mutable std::mutex mutex_;
  std::vector<std::string> heard_;
  std::vector<std::thread> connections_;
  std::thread thread_;
};

// A server that behaves: its answers to the greeting, EHLO, MAIL and RCPT.
struct SmtpAnswers {
  std::string greeting = "220 mx.far.example ESMTP";
  std::string ehlo = "250-mx.far.example\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES";
  std::string helo = "250 mx.far.example";
  std::string mail = "250 2.1.0 Ok";
  std::string rcpt = "250 2.1.5 Ok";
};

inline ScriptedSmtp::Script answering(SmtpAnswers answers) {
  return [answers](SmtpPeer& peer) {
    peer.say(answers.greeting);
    for (std::string line; !(line = peer.hear()).empty();) {
      const std::string verb = line.substr(0, 4);
      if (verb == "EHLO")
        peer.say(answers.ehlo);
      else if (verb == "HELO")
        peer.say(answers.helo);
      else if (verb == "MAIL")
        peer.say(answers.mail);
      else if (verb == "RCPT")
        peer.say(answers.rcpt);
      else if (verb == "RSET")
        peer.say("250 2.0.0 Ok");
      else if (verb == "QUIT")
        return void(peer.say("221 2.0.0 Bye"));
      else
        peer.say("500 5.5.2 what?");
    }
  };
}
inline ScriptedSmtp::Script answering_recipient(const std::string& reply) {
  SmtpAnswers answers;
  answers.rcpt = reply;
  return answering(answers);
}

}  // namespace sluice::backends
