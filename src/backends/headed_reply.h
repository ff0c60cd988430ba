// HeadedReply: a reply that is a first line, fields, an empty line and a body, as HTTP/1.1 (RFC
// 9112) and spamd's protocol have it. Read in pieces of any size, with a cap on everything.
//
// The body ends at Content-Length, at the last chunk (Transfer-Encoding: chunked, RFC 9112 7.1), or
// where the server closes. A length that is no number, said twice differently or above the cap, a
// line end without LF within the cap, a transfer coding other than chunked: broken.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::backends {

inline constexpr std::size_t kMaxReplyHead = 16 * 1024;  // first line and fields
inline constexpr std::size_t kMaxReplyFields = 100;

class HeadedReply {
 public:
  enum class State { Reading, Complete, Broken };

  explicit HeadedReply(std::size_t max_body) : max_body_(max_body) {}

  // What comes behind a complete reply is ignored.
  State feed(std::string_view bytes);
  // The server has closed.
  State close();
  State state() const { return state_; }

  // Complete from the moment the empty line was read.
  const std::string& first_line() const { return first_line_; }
  // Value of the first field of that name, in any case; nullptr: there is none.
  const std::string* field(std::string_view name) const;
  const std::string& body() const { return body_; }
  // Broken: why, for people.
  const std::string& why() const { return why_; }

 private:
  enum class Part { Head, Body, ChunkSize, Chunk, ChunkEnd, Trailer };
  State broken(std::string why);
  State step();
  State read_head();
  State read_body();
  State read_chunk_size();
  State read_chunk();
  bool begin_body();
  // The next line of rest_ without its end; nullopt: not there yet, or broken for its length.
  std::optional<std::string_view> line(std::size_t most);

  std::size_t max_body_;
  State state_ = State::Reading;
  Part part_ = Part::Head;
  std::string rest_;          // not yet read
  std::size_t at_ = 0;        // in rest_
  std::size_t searched_ = 0;  // no line end before this place of rest_
  std::size_t head_bytes_ = 0;
  bool has_first_line_ = false;
  std::string first_line_;
  std::vector<std::pair<std::string, std::string>> fields_;
  std::optional<std::size_t> length_;  // of the body, or of the chunk at hand
  std::string body_, why_;
};

}  // namespace sluice::backends
