// Generation: the policy that new sessions begin with. A reload loads aside and swaps; a broken
// file changes nothing.
#pragma once
#include <memory>
#include <mutex>
#include <string>

#include "app/config.h"
#include "policy/program.h"

namespace sluice::app {

struct ReloadState {
  std::uint64_t generation = 1;
  TimePoint loaded{};
  bool last_ok = true;
  std::string last_error;  // rendered diagnostics of the last reload that failed
};

// Threads: any.
class Generations {
 public:
  // `lists`: the pool that `first` was compiled with.
  Generations(const ServiceConfig& config, policy::ProgramPtr first, std::shared_ptr<policy::ListPool> lists);
  policy::ProgramPtr current() const;
  // Loads the files again. Diagnostics as text when they are broken; the old program stays.
  Result<std::string> reload();
  // Reloads when a list or table file has another size or time than when it was loaded.
  void reload_changed_files();
  ReloadState state() const;

 private:
  struct FileStamp {
    std::string path;
    std::int64_t seconds = 0, nanoseconds = 0, size = -1;
    bool operator==(const FileStamp&) const = default;
  };
  std::vector<FileStamp> stamps(const policy::Program& program) const;

  const ServiceConfig& config_;
  std::shared_ptr<policy::ListPool> lists_;
  mutable std::mutex mutex_;
  std::mutex reloading_;
  policy::ProgramPtr program_;
  std::vector<FileStamp> stamps_;
  ReloadState state_;
};

}  // namespace sluice::app
