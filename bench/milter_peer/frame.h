// frame.h - frames of the milter protocol: bytes to frames and back.
//
// FrameReader takes bytes as they come from a socket, in any cut, and gives whole frames. A length
// of 0 or above kMaxAnswerBytes ends the stream: what follows cannot be told apart any more, so the
// reader stays broken. Not thread-safe; one reader per connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::peer {

// Longest answer taken from a filter. libmilter sends a replacement body in chunks of 65535.
inline constexpr std::size_t kMaxAnswerBytes = 1 << 20;

struct Frame {
  char code = 0;
  std::string_view body;  // points into the reader: valid until its next feed()
};

class FrameReader {
 public:
  void feed(std::string_view bytes);
  // The next whole frame, nothing while it is incomplete or after is_broken().
  std::optional<Frame> next();
  bool is_broken() const { return broken_; }
  // Bytes held of a frame that is not complete.
  std::size_t pending_bytes() const { return bytes_.size() - begin_; }

 private:
  std::string bytes_;
  std::size_t begin_ = 0;
  bool broken_ = false;
};

void append_u32(std::string& out, std::uint32_t value);
std::uint32_t read_u32(std::string_view bytes);  // the first four bytes; fewer give 0

void append_frame(std::string& out, char code, std::string_view body);

}  // namespace sluice::peer
