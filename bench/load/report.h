// report.h - what a run gave, for a person (text) or a script (JSON, one object, fixed names).
#pragma once

#include <string>
#include <vector>

#include "load/generator.h"
#include "load/options.h"

namespace sluice::load {

// One of the filter's processes: a peer has workers, and a store beside it.
struct ProcessShare {
  int pid = 0;
  double cpu_us = 0;  // in the window
  std::size_t rss_kib = 0;
};

struct Report {
  Counts counts;
  double seconds = 0;           // of the measuring window
  double filter_cpu_us = 0;     // in the window
  double generator_cpu_us = 0;  // in the window: it must stay small beside the filter's
  std::vector<ProcessShare> processes;
  std::size_t rss_kib = 0;  // of all of them, at the end of the window
  std::size_t threads = 0;
  std::size_t descriptors = 0;
  std::size_t idle = 0;
  std::size_t idle_lost = 0;
  double idle_kib_each = 0;  // resident memory that one idle connection added
  double idle_open_us_each = 0;

  double messages_per_second() const;
  double cpu_us_per_message() const;  // 0 without messages
};

std::string render_text(const Report& report);
std::string render_json(const Report& report, const LoadOptions& options);

}  // namespace sluice::load
