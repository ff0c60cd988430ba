// link.h - a stream socket to a filter: where it is, and blocking bytes with a deadline.
//
// Endpoint text: `unix:PATH` (or a bare path) and `inet:HOST:PORT` (numeric host, as the service
// configuration writes it). Failures are Error{Temporary} (nobody listens, time is up) or
// Error{Permanent} (the text, a path too long). A Link owns its descriptor; one thread at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice::peer {

struct Endpoint {
  std::string path;  // of a unix socket; empty: inet
  std::string host;
  std::uint16_t port = 0;

  static Result<Endpoint> parse(std::string_view text);
};

class Link {
 public:
  Link() = default;
  explicit Link(int fd) : fd_(fd) {}
  Link(Link&& other) noexcept;
  Link& operator=(Link&& other) noexcept;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link() { close(); }

  // Connects and waits until it is done. TCP links have TCP_NODELAY off, as those of an MTA.
  static Result<Link> open(const Endpoint& endpoint);

  Result<void> send(std::string_view bytes, std::chrono::milliseconds timeout);
  // What is there, at least one byte; an empty string when the other side has closed.
  Result<std::string> receive(std::chrono::milliseconds timeout);
  // True when the other side closes (or resets) within the time; what it sends before is dropped.
  bool sees_close(std::chrono::milliseconds timeout);
  void close();
  // Closes so that the other side gets a reset instead of an orderly end (TCP only).
  void abort();

  int fd() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

}  // namespace sluice::peer
