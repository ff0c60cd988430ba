// RedisTalk: a few questions to one Redis or Sentinel, one after the other, each waited for.
//
// For the administrator's commands; the service has backends/redis_client.h. Threads: one at a time.
#pragma once
#include <string_view>
#include <vector>

#include "backends/redis_reader.h"
#include "backends/stream.h"
#include "base/result.h"

namespace sluice::app {

inline constexpr int kRedisTalkSeconds = 5;  // for a connection, and for each answer

class RedisTalk {
 public:
  // Error{Temporary}: nobody answers there.
  static Result<RedisTalk> connect(const backends::Endpoint& to);
  RedisTalk(RedisTalk&& other) noexcept;
  RedisTalk& operator=(RedisTalk&&) = delete;
  ~RedisTalk();

  // The answer, an error reply too. Error{Temporary}: none in time; {Permanent}: not one of Redis.
  Result<backends::RedisReply> ask(const std::vector<std::string_view>& words);
  // `command` as it goes out (redis_command(), RedisCredentials::auth_command()).
  Result<backends::RedisReply> send(std::string_view command);

 private:
  explicit RedisTalk(int fd) : fd_(fd) {}
  int fd_;
  backends::RedisReader reader_;
};

}  // namespace sluice::app
