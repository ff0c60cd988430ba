// malformed_stream.h - an endless stream of broken sessions, the same for the same seed on every
// host.
//
// Frames that were cut, lengthened, flipped, filled with NULs or put in a wrong order, lengths that
// lie, bytes of other protocols. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace sluice::wire_test {

class MalformedStream {
 public:
  explicit MalformedStream(std::uint32_t seed) : random_(seed) {}
  // The pieces of one session, each to be sent by itself; at least one.
  std::vector<std::string> next_session();
  std::size_t below(std::size_t bound) { return random_() % bound; }

 private:
  std::string next_piece();
  std::string honest_frame();
  void spoil(std::string& frame);
  std::string noise(std::size_t bytes);

  std::mt19937 random_;  // its sequence is fixed by the standard
};

}  // namespace sluice::wire_test
