// attack.h - plays a MalformedStream at a filter: many short broken sessions, one after the other.
//
// Some pieces come a byte at a time, some sessions end in the middle of a frame, with a reset, or
// wait for the filter to close. What the filter answers is read and dropped.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "milter_peer/link.h"

namespace sluice::wire_test {

struct AttackResult {
  std::size_t frames = 0;
  std::size_t sessions = 0;
  std::size_t refused = 0;  // connections that could not be opened
};

// Sends `frames` pieces; `rate` of them a second, 0: as fast as they go.
AttackResult attack(const peer::Endpoint& endpoint, std::uint32_t seed, std::size_t frames,
                    double rate = 0);

}  // namespace sluice::wire_test
