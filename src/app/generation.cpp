#include "app/generation.h"

#include <sys/stat.h>

#include <set>
#include <string_view>

#include "app/logging.h"
#include "app/policy_loading.h"
#include "policy/policy_source.h"

namespace sluice::app {

Generations::Generations(const ServiceConfig& config, LoadedPolicy first,
                         std::shared_ptr<policy::ListPool> lists)
    : config_(config),
      lists_(std::move(lists)),
      program_(std::move(first.program)),
      source_(std::move(first.source)),
      stamps_(stamps()) {
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

// Of the files of lists and tables.
std::vector<Generations::FileStamp> Generations::stamps() const {
  std::set<std::string_view> policies;
  for (const policy::FileSource& file : source_->files)
    if (file.source) policies.insert(file.source->name());
  std::vector<FileStamp> list;
  for (const std::string& path : program_->watched_files()) {
    if (policies.count(path) > 0) continue;
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
  return take(load_program(config_, lists_), true);
}

Result<std::string> Generations::take(LoadedPolicy loaded, bool is_reload) {
  warn_of_unanswered_facts(config_, loaded);
  if (loaded.program) policy::warn_about_renames(*current(), *loaded.program, loaded.diagnostics);
  const std::string line = summary(config_.policies.front(), loaded);
  const std::string text = loaded.diagnostics.render() + line;
  const std::lock_guard lock(mutex_);
  if (is_reload) reload_failed_ = !loaded.program;
  if (!loaded.program) {
    state_.last_ok = false;
    state_.last_error = text;
    return config_error(text);
  }
  program_ = std::move(loaded.program);
  source_ = std::move(loaded.source);
  stamps_ = stamps();
  ++state_.generation;
  state_.loaded = SystemClock().now();
  if (reload_failed_) return text;
  state_.last_ok = true;
  state_.last_error.clear();
  return text;
}

void Generations::reload_changed_files() {
  {
    const std::lock_guard lock(mutex_);
    auto now = stamps();
    if (now == stamps_) return;
    // Remembered at once: a broken file is told of once, not every second.
    stamps_ = std::move(now);
  }
  const std::lock_guard one_at_a_time(reloading_);
  if (const auto result = take(compile_again(config_, source_, lists_), false)) {
    log_info("a list file changed: " + *result);
  } else {
    log_error("a list file changed and is broken, the old content stays: " + result.error().what);
  }
}

}  // namespace sluice::app
