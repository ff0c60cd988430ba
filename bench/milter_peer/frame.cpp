#include "milter_peer/frame.h"

namespace sluice::peer {
namespace {
constexpr std::size_t kLengthBytes = 4;
}

void append_u32(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

std::uint32_t read_u32(std::string_view bytes) {
  if (bytes.size() < kLengthBytes) return 0;
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i)
    value = (value << 8) | static_cast<unsigned char>(bytes[i]);
  return value;
}

void append_frame(std::string& out, char code, std::string_view body) {
  append_u32(out, static_cast<std::uint32_t>(body.size() + 1));
  out.push_back(code);
  out.append(body);
}

void FrameReader::feed(std::string_view bytes) {
  // Frames already given out are dropped here and not in next(): their views stay valid till now.
  bytes_.erase(0, begin_);
  begin_ = 0;
  bytes_.append(bytes);
}

std::optional<Frame> FrameReader::next() {
  const std::string_view rest = std::string_view(bytes_).substr(begin_);
  if (broken_ || rest.size() < kLengthBytes) return std::nullopt;
  const std::size_t length = read_u32(rest);
  if (length == 0 || length > kMaxAnswerBytes) {
    broken_ = true;
    return std::nullopt;
  }
  if (rest.size() < kLengthBytes + length) return std::nullopt;
  begin_ += kLengthBytes + length;
  return Frame{rest[kLengthBytes], rest.substr(kLengthBytes + 1, length - 1)};
}

}  // namespace sluice::peer
