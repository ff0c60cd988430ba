// The service's own log: messages about itself, and one line per decision (decision_log.h). To
// stderr, syslog or a file. Lines are handed to a writer thread; when it cannot keep up lines
// are dropped and counted, mail does not wait. Set up in main before any other thread. Threads: any.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice::app {

struct LogOptions {
  std::string to = "stderr";   // stderr, syslog, or a path
  std::string level = "info";  // error, warn, info, debug
};

Result<void> open_log(const LogOptions& options);
void reopen_log();  // after logrotate: SIGUSR1
void log_error(std::string_view message);
void log_warning(std::string_view message);
void log_info(std::string_view message);
void log_line(std::string_view line);  // as it is, whatever the level
void flush_log();

}  // namespace sluice::app
