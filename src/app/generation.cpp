#include "app/generation.h"

#include <sys/stat.h>

#include "app/logging.h"
#include "app/policy_loading.h"

namespace sluice::app {

Generations::Generations(const ServiceConfig& config, policy::ProgramPtr first,
                         std::shared_ptr<policy::ListPool> lists)
    : config_(config), lists_(std::move(lists)), program_(std::move(first)), stamps_(stamps(*program_)) {
  state_.loaded = SystemClock().now();
}

policy::ProgramPtr Generations::current() const {
  const std::lock_guard lock(mutex_);
  return program_;
}

ReloadState Generations::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

std::vector<Generations::FileStamp> Generations::stamps(const policy::Program& program) const {
  std::vector<FileStamp> list;
  for (const std::string& path : program.watched_files()) {
    struct stat place {};
    FileStamp stamp;
    stamp.path = path;
    if (::stat(path.c_str(), &place) == 0) {
      stamp.seconds = place.st_mtim.tv_sec;
      stamp.nanoseconds = place.st_mtim.tv_nsec;
      stamp.size = place.st_size;
    }
    list.push_back(std::move(stamp));
  }
  return list;
}

Result<std::string> Generations::reload() {
  const std::lock_guard one_at_a_time(reloading_);
  LoadedPolicy loaded = load_program(config_, lists_);
  warn_of_unanswered_facts(config_, loaded);
  if (loaded.program) policy::warn_about_renames(*current(), *loaded.program, loaded.diagnostics);
  const std::string line = summary(config_.policies.front(), loaded);
  const std::string text = loaded.diagnostics.render() + line;
  const std::lock_guard lock(mutex_);
  if (!loaded.program) {
    state_.last_ok = false;
    state_.last_error = text;
    return config_error(text);
  }
  program_ = std::move(loaded.program);
  stamps_ = stamps(*program_);
  ++state_.generation;
  state_.loaded = SystemClock().now();
  state_.last_ok = true;
  state_.last_error.clear();
  return text;
}

void Generations::reload_changed_files() {
  {
    const std::lock_guard lock(mutex_);
    auto now = stamps(*program_);
    if (now == stamps_) return;
    // Remembered at once: a broken file is told of once, not every second.
    stamps_ = std::move(now);
  }
  if (const auto result = reload()) {
    log_info("a list file changed: " + *result);
  } else {
    log_error("a list file changed and is broken, the old content stays: " + result.error().what);
  }
}

}  // namespace sluice::app
