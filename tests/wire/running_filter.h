// running_filter.h - a filter as a child process on a unix socket in a folder of its own.
//
// The folder and the process end with the object (SIGKILL unless stop() came first; the child also
// dies with the test). Failure to start is a failed test: the constructor throws what the filter
// said. Not thread-safe but for endpoint().
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "milter_peer/link.h"

namespace sluice::wire_test {

class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(std::string_view name, std::string_view text) const;
  std::string read(std::string_view name) const;  // empty if it is not there

 private:
  std::filesystem::path path_;
};

class RunningFilter {
 public:
  // Starts `command` with output to `folder`/log and waits until `endpoint` accepts.
  // `max_descriptors`: its RLIMIT_NOFILE; 0: that of the test.
  RunningFilter(const std::vector<std::string>& command, const peer::Endpoint& endpoint,
                const ScratchFolder& folder, std::size_t max_descriptors = 0);
  ~RunningFilter();
  RunningFilter(const RunningFilter&) = delete;
  RunningFilter& operator=(const RunningFilter&) = delete;

  const peer::Endpoint& endpoint() const { return endpoint_; }
  pid_t pid() const { return pid_; }
  bool is_alive();
  void signal(int number) const;
  // Waits for the end; the exit status, 128 + signal, or -1 if it lives on.
  int wait(std::chrono::milliseconds timeout);

  std::size_t rss_kib() const;
  std::size_t descriptors() const;
  std::size_t threads() const;
  std::chrono::milliseconds cpu_time() const;  // used so far
  // Waits until it has no more than `wanted` descriptors; how many it has then.
  std::size_t settle_descriptors(std::size_t wanted, std::chrono::milliseconds timeout) const;

 private:
  peer::Endpoint endpoint_;
  pid_t pid_ = -1;
  int status_ = -1;
  bool has_ended_ = false;
};

// SLUICE_EMPTY_FILTER: the filter on libmilter that does nothing. `steps`: few or all.
class EmptyFilter {
 public:
  explicit EmptyFilter(std::string_view steps);
  RunningFilter& operator*() { return filter_; }
  RunningFilter* operator->() { return &filter_; }

 private:
  ScratchFolder folder_;
  RunningFilter filter_;
};

// What a test of the real service varies.
struct ServiceSetup {
  std::string policy;            // text of the policy file
  std::string more_config = {};  // further lines of the service configuration
  bool over_inet = false;        // listens on a free port of 127.0.0.1 instead of a unix socket
  std::string engine = {};       // default: SLUICE_ENGINE, else wire
  std::vector<std::string> more_listen = {};  // further listeners, as in the configuration
  std::size_t max_descriptors = 0;            // RLIMIT_NOFILE; 0: that of the test
};

// SLUICE_BIN: `sluice run` with a policy of the test.
class SluiceFilter {
 public:
  explicit SluiceFilter(const ServiceSetup& setup);
  RunningFilter& operator*() { return filter_; }
  RunningFilter* operator->() { return &filter_; }
  std::string log() const { return folder_.read("log"); }
  // What `sluice status --json` prints, without blanks and line ends.
  std::string status() const;
  const ScratchFolder& folder() const { return folder_; }

 private:
  ScratchFolder folder_;
  peer::Endpoint endpoint_;
  RunningFilter filter_;
};

std::string engine_under_test();

// A port of 127.0.0.1 that no other test is given.
peer::Endpoint free_port();

}  // namespace sluice::wire_test
