// free_port - a port of 127.0.0.1 for a server that a test starts.
//
// Nobody uses it, by TCP or UDP; so is the one `and_above` higher. Both lie below the ports that the
// kernel gives to clients, so that no connection takes one before the server has it, and no other
// test that asks gets it while this process lives: a name holds it that ends with the process (the
// same one as in tests/e2e/rig/loopback.py). 0 when there is none. Threads: one at a time.
#pragma once
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <random>
#include <string>

namespace sluice::testing {

inline bool is_free_for(int kind, int port) {
  const int fd = ::socket(AF_INET, kind | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  const int bound = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
  ::close(fd);
  return bound == 0;
}

inline bool is_free(int port) {
  return is_free_for(SOCK_STREAM, port) && is_free_for(SOCK_DGRAM, port);
}

// The descriptor of the name, which is never closed; -1: another process has it.
inline int hold_port(int port) {
  const std::string name = "sluice-test-port-" + std::to_string(port);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy(name.begin(), name.end(), address.sun_path + 1);  // behind a NUL: no file
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0) return fd;
  ::close(fd);
  return -1;
}

inline int free_port(int and_above = 0) {
  static std::mt19937 random{std::random_device{}()};
  for (int tries = 0; tries < 2'000; ++tries) {
    const int port = 10'000 + static_cast<int>(random() % static_cast<unsigned>(22'700 - and_above));
    const int held = hold_port(port);
    if (held < 0) continue;
    const int above = and_above > 0 ? hold_port(port + and_above) : held;
    if (above >= 0 && is_free(port) && (and_above == 0 || is_free(port + and_above))) return port;
    ::close(held);
    if (above >= 0 && above != held) ::close(above);
  }
  return 0;
}

}  // namespace sluice::testing
