// Generation: the policy that new sessions begin with. A reload loads aside and swaps; a broken
// file changes nothing.
#pragma once
#include <memory>
#include <mutex>
#include <string>

#include "app/config.h"
#include "app/policy_loading.h"
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
  // `lists`: the pool that `first`, which has a program, was compiled with.
  Generations(const ServiceConfig& config, LoadedPolicy first, std::shared_ptr<policy::ListPool> lists);
  policy::ProgramPtr current() const;
  // Loads the files again. Diagnostics as text when they are broken; the old program stays.
  Result<std::string> reload();
  // Takes the lists and tables anew when a file of theirs has another size or time than when it was
  // loaded. An edited policy file waits for reload(): it may be half done.
  void reload_changed_files();
  ReloadState state() const;

 private:
  struct FileStamp {
    std::string path;
    std::int64_t seconds = 0, nanoseconds = 0, size = -1;
    bool operator==(const FileStamp&) const = default;
  };
  std::vector<FileStamp> stamps() const;
  Result<std::string> take(LoadedPolicy loaded, bool is_reload);

  const ServiceConfig& config_;
  std::shared_ptr<policy::ListPool> lists_;
  mutable std::mutex mutex_;
  std::mutex reloading_;
  policy::ProgramPtr program_;
  std::shared_ptr<const policy::PolicySource> source_;  // of program_
  std::vector<FileStamp> stamps_;
  ReloadState state_;
  bool reload_failed_ = false;  // a list that changes does not make up for it
};

}  // namespace sluice::app
