#include "backends/state_examination.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "backends/sqlite_file.h"

namespace sluice::backends {
namespace {

bool is_in_use(const std::filesystem::path& folder) {
  const int fd = ::open((folder / "state.lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool free = ::flock(fd, LOCK_SH | LOCK_NB) == 0;
  ::close(fd);
  return !free;
}

}  // namespace

Result<void> examine_state(const std::filesystem::path& folder) {
  if (is_in_use(folder) || ::access((folder / "state.db").c_str(), R_OK) != 0) return {};
  const auto sound = SqliteFile::examine(folder / "state.db");
  // A service that started meanwhile writes what is read here.
  if (sound || sound.error().cause != Cause::Config || is_in_use(folder)) return {};
  return sound;
}

}  // namespace sluice::backends
