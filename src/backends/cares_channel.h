// CaresChannel: the only file that speaks c-ares: sends ready-made questions, hands back raw
// replies.
//
// UDP first, TCP when the reply is truncated; retries and the choice of server are c-ares's.
// Replies from elsewhere, with another id or to another question are dropped there.
//
// Threads: one at a time, but wake() from any. Lifetime: the destructor calls no callback.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice::backends {

enum class TransportStatus : std::uint8_t {
  Reply,
  Timeout,
  Failed
};  // Failed: refused by all servers, no socket …

class CaresChannel {
 public:
  struct Options {
    std::vector<std::string>
        servers;  // "127.0.0.1", "127.0.0.1:5353", "[::1]:53"; empty: resolv.conf
    std::chrono::milliseconds timeout{2000};  // of the first try; doubles with each further one
    int tries = 2;                            // for each server
  };
  // Bytes of the reply, valid during the call; empty unless Reply.
  using Done = std::function<void(TransportStatus, std::string_view)>;

  static Result<std::unique_ptr<CaresChannel>> open(const Options& options);
  ~CaresChannel();
  CaresChannel(const CaresChannel&) = delete;
  CaresChannel& operator=(const CaresChannel&) = delete;

  // query: a whole message whose id is unique among those on the way. `done` may be called before
  // this returns.
  void send(const std::string& query, Done done);
  // Waits for replies, timeouts or wake(), at most `longest`, and calls what is done.
  void run_once(std::chrono::milliseconds longest);
  void wake();

 private:
  struct State;
  explicit CaresChannel(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace sluice::backends
