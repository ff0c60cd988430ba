// process_usage.h - what a process has used up so far, its own threads together.
//
// CPU comes from the process' CPU clock (nanoseconds, threads that ended included), the rest from
// /proc/PID. A process that is gone gives nullopt.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

namespace sluice::load {

struct ProcessUsage {
  std::chrono::nanoseconds cpu{0};
  std::size_t rss_kib = 0;
  std::size_t threads = 0;
  std::size_t descriptors = 0;

  // `pid` 0: this process.
  static std::optional<ProcessUsage> of(int pid);
};

}  // namespace sluice::load
