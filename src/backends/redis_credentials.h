// The user and password that Redis is told. The password stands alone in a file and is read again
// whenever Redis refuses it: changing it needs no restart. It is never logged.
#pragma once
#include <string>

#include "base/result.h"

namespace sluice::backends {

struct RedisCredentials {
  std::string username;       // empty: the default user
  std::string password_file;  // empty: no AUTH
  std::string password;

  bool is_empty() const { return password_file.empty(); }
  // Reads `password` again.
  Result<void> read();
  // The AUTH command, ready to be sent.
  std::string auth_command() const;
};

// The file's content without its last line end. Error{Config}: missing, no plain file, readable by
// every user, empty, longer than kMaxRedisSecret, or of more than one line.
Result<std::string> read_redis_password(const std::string& path);

}  // namespace sluice::backends
