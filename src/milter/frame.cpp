#include "milter/frame.h"

namespace sluice::milter::wire {
namespace {
constexpr std::size_t kLengthBytes = 4;
}

std::uint32_t read_u32(std::string_view bytes) {
  if (bytes.size() < kLengthBytes) return 0;
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i)
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

FrameState take_frame(std::string_view& bytes, std::size_t max_frame, Frame& frame) {
  if (bytes.size() < kLengthBytes) return FrameState::Partial;
  const std::size_t length = read_u32(bytes);
  if (length == 0 || length > max_frame) return FrameState::Broken;
  if (bytes.size() - kLengthBytes < length) return FrameState::Partial;
  frame = {bytes[kLengthBytes], bytes.substr(kLengthBytes + 1, length - 1)};
  bytes.remove_prefix(kLengthBytes + length);
  return FrameState::Whole;
}

void append_u32(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

void append_frame(std::string& out, char code, std::string_view body) {
  append_u32(out, static_cast<std::uint32_t>(body.size() + 1));
  out.push_back(code);
  out.append(body);
}

}  // namespace sluice::milter::wire
