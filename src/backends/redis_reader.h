// RedisReader: replies of a server (RESP2) out of a stream of bytes, in any pieces.
//
// The bytes are hostile: a count or length is believed only as far as its bytes have come, and each
// has a cap. RESP3 types are refused.
//
// Threads: one at a time. Lifetime: after an error the connection is of no more use.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/redis_client.h"
#include "base/result.h"

namespace sluice::backends {

inline constexpr std::size_t kMaxRedisLine = 4 * 1024;     // bytes of a status, error or number
inline constexpr std::size_t kMaxRedisText = 8u << 20;     // bytes of one text
inline constexpr std::size_t kMaxRedisReply = 16u << 20;   // bytes of one reply, all in all
inline constexpr std::size_t kMaxRedisElements = 400'000;  // of one reply, all in all
inline constexpr std::size_t kMaxRedisDepth = 8;           // arrays within arrays

class RedisReader {
 public:
  void feed(std::string_view bytes);
  // The next whole reply, none when bytes are missing. Error{Permanent}: no RESP2, or above a cap.
  Result<std::optional<RedisReply>> next();
  // Bytes that wait for the rest of their reply.
  std::size_t buffered() const { return buffer_.size() - at_; }

 private:
  struct Open {
    RedisReply array;
    std::size_t missing = 0;
  };
  enum class Step { Whole, Missing, Opened };

  Result<Step> read_element(RedisReply& element);
  Result<Step> read_text(RedisReply& element, std::int64_t length, std::size_t line_end);
  Result<Step> open_array(std::int64_t count);
  std::optional<RedisReply> close_into_parents(RedisReply element);
  void consume(std::size_t end);

  std::string buffer_;
  std::size_t at_ = 0;                    // of buffer_: what was read
  std::vector<Open> open_;                // arrays whose elements are still to come
  std::size_t bytes_ = 0, elements_ = 0;  // of the present reply
};

}  // namespace sluice::backends
