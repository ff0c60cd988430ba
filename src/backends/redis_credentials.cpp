#include "backends/redis_credentials.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "backends/redis_client.h"
#include "backends/redis_command.h"

namespace sluice::backends {
namespace {

tl::unexpected<Error> refuse(const std::string& path, const std::string& why) {
  return config_error("password file " + path + ": " + why);
}

// Everything, up to one byte more than may be.
std::string read_some(int fd) {
  std::string text(kMaxRedisSecret + 3, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(fd, text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

Result<std::string> read_checked(const std::string& path, int fd) {
  struct stat about {};
  if (::fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
    return refuse(path, "it is no plain file");
  if ((about.st_mode & S_IROTH) != 0) return refuse(path, "every user may read it; chmod o-r");
  std::string text = read_some(fd);
  if (!text.empty() && text.back() == '\n') text.pop_back();
  if (!text.empty() && text.back() == '\r') text.pop_back();
  if (text.empty()) return refuse(path, "it is empty");
  if (text.size() > kMaxRedisSecret) return refuse(path, "it is too long");
  if (text.find('\n') != std::string::npos) return refuse(path, "it has more than one line");
  return text;
}

}  // namespace

Result<std::string> read_redis_password(const std::string& path) {
  // Not to hang on a pipe that somebody put there.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return refuse(path, std::strerror(errno));
  auto password = read_checked(path, fd);
  ::close(fd);
  return password;
}

Result<void> RedisCredentials::read() {
  if (is_empty()) return {};
  auto read = read_redis_password(password_file);
  if (!read) return tl::unexpected<Error>(read.error());
  password = std::move(*read);
  return {};
}

std::string RedisCredentials::auth_command() const {
  if (username.empty()) return redis_command({"AUTH", password});
  return redis_command({"AUTH", username, password});
}

}  // namespace sluice::backends
