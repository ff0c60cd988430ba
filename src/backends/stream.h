// Stream: a client's byte stream to a server over TCP or a unix socket, on an EventLoop. Connects,
// writes from a bounded buffer, hands over what comes in; every way it can end is one callback.
//
// Threads: the loop's own thread only. Events may be told from within any of its functions except
// open(); it may be destroyed in any of them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "backends/event_loop.h"
#include "base/ip_address.h"
#include "base/result.h"

namespace sluice::backends {

inline constexpr std::size_t kReadAtOnce = 64 * 1024;
inline constexpr std::size_t kMaxUnixPath = 107;

// Where a server listens.
struct Endpoint {
  std::string unix_path;  // empty: TCP
  IpAddress address;
  std::uint16_t port = 0;

  std::string to_string() const;  // "unix:/run/x.sock", "127.0.0.1:783", "[::1]:783"
  bool operator==(const Endpoint&) const = default;
};
// `unix:PATH`, `HOST:PORT` or `inet:HOST:PORT`; HOST is an address (IPv6 in brackets) or localhost.
// Without a port: `default_port`, if that is not 0. Names are not looked up.
Result<Endpoint> parse_endpoint(std::string_view text, std::uint16_t default_port = 0);

enum class StreamEnd : std::uint8_t {
  Refused,   // no connection: nobody listens, no route, no such path
  TimedOut,  // no connection in time
  Closed,    // the server closed, after what it had sent was told
  Broken,    // reset or another error in mid-stream
  Overflow,  // more than max_unsent was waiting to be sent
};
std::string_view stream_end_name(StreamEnd end);

class Stream {
 public:
  struct Events {
    std::function<void()> connected;
    std::function<void(std::string_view bytes)> received;  // valid during the call
    std::function<void()> drained;    // all that was written is with the kernel; may be empty
    std::function<void(StreamEnd)> ended;  // once, the last event; not after close()
  };
  struct Options {
    Duration connect_timeout{1'000};
    std::size_t max_unsent = 64u << 20;
  };

  // Starts to connect; also a refusal at once is told by `ended`, later.
  static std::unique_ptr<Stream> open(EventLoop& loop, const Endpoint& to, const Options& options,
                                      Events events);
  ~Stream();  // closes
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Sent in order, also before `connected`.
  void write(std::string bytes);
  void close();
  std::size_t unsent() const;

 private:
  class Socket;
  std::shared_ptr<Socket> socket_;
  explicit Stream(std::shared_ptr<Socket> socket);
};

}  // namespace sluice::backends
