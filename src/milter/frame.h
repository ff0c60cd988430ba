// Frames of the milter protocol: a 32-bit big-endian length, a command byte, and length-1 bytes of
// body. Pure functions; views point into the bytes that were given.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::milter::wire {

struct Frame {
  char command = 0;
  std::string_view body;
};

enum class FrameState : std::uint8_t {
  Whole,    // `frame` was taken off the front of the bytes
  Partial,  // more has to come first
  Broken,   // a length of 0 or above the cap: nothing behind it can be understood
};

// Decides by the length alone, as soon as its four bytes are there. `max_frame` counts the command.
FrameState take_frame(std::string_view& bytes, std::size_t max_frame, Frame& frame);

std::uint32_t read_u32(std::string_view bytes);  // the first four; fewer give 0
void append_u32(std::string& out, std::uint32_t value);
void append_frame(std::string& out, char code, std::string_view body = {});

}  // namespace sluice::milter::wire
