// Listening sockets for the MTA: made here, never by libmilter (its own unix socket code steals and
// unlinks paths).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"

namespace sluice::milter {

// `unix:PATH`, `inet:HOST:PORT` (HOST an address, IPv6 in brackets, or localhost), `fd:N`
// (inherited, systemd).
struct ListenSpec {
  enum class Kind { Unix, Inet, Inherited } kind = Kind::Unix;
  std::string path;   // Unix; at most 100 bytes
  IpAddress address;  // Inet
  std::uint16_t port = 0;
  int fd = -1;  // Inherited
  std::vector<Network> allow_from;   // of TCP clients; empty: all, on loopback only
  std::vector<std::string> allow_users;  // of processes behind a unix socket; empty: by its mode

  std::string to_string() const;
  // Hosts other than this one could connect.
  bool is_open_to_others() const;
};

Result<ListenSpec> parse_listen(std::string_view text);

// An open listening socket. Closing it does not remove the path: a successor's socket may stand
// there.
class Listener {
 public:
  // A unix socket is bound under a name of its own, with the mode that `umask` leaves (0660 by
  // default), and renamed over the path: the path is never without a socket, and a running
  // predecessor keeps its clients. What is no socket there stays (Error{Config}). TCP sockets get
  // TCP_NODELAY, which accepted ones inherit (without it small replies wait 40 ms for an
  // acknowledgement).
  static Result<Listener> open(const ListenSpec& spec);
  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&&) = delete;
  ~Listener();
  int fd() const { return fd_; }
  int release();  // the caller owns the descriptor from now on
  const ListenSpec& spec() const { return spec_; }
  std::uint16_t port() const;  // as bound, for port 0
  // Lines for main.cf and sendmail.mc that attach an MTA to this socket.
  std::string attach_lines() const;
  // The path still leads here. A unix socket that was removed, or over which another process has put
  // its own, goes on listening where nobody finds it.
  bool is_at_its_path() const;
  // Removes the path if it still is the socket that this listener bound.
  void remove_path() const;

 private:
  Listener(ListenSpec spec, int fd) : spec_(std::move(spec)), fd_(fd) {}
  ListenSpec spec_;
  int fd_ = -1;
  std::uint64_t device_ = 0, inode_ = 0;
};

}  // namespace sluice::milter
