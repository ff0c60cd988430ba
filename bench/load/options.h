// options.h - what the load generator plays: how many clients, what mail, how long.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "milter_peer/link.h"

namespace sluice::load {

struct LoadOptions {
  peer::Endpoint endpoint;
  std::size_t connections = 50;   // sessions open at once (open loop: at most)
  std::size_t messages = 10;      // of one session
  std::size_t recipients = 2;     // of one message
  std::size_t headers = 8;        // of one message
  std::size_t body_bytes = 4000;  // of one message
  std::size_t clients = 1000;     // distinct client addresses and senders
  std::size_t first_client = 0;   // the first of them: 65536 is 198.19.0.0
  std::size_t idle = 0;           // connections that say HELO and then nothing
  std::size_t threads = 1;
  std::chrono::microseconds pause{0};  // of the client before each of its commands
  double rate = 0;  // messages per second begun, whatever comes back; 0: closed loop
  std::chrono::milliseconds warm_up{1000};
  std::chrono::milliseconds duration{5000};
  std::vector<int> filter_pids;  // whose CPU and memory are reported, together and each
};

}  // namespace sluice::load
