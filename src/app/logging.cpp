#include "app/logging.h"

#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>

#include "app/log_sink.h"

namespace sluice::app {
namespace {

constexpr const char* kPattern = "%Y-%m-%dT%H:%M:%S.%eZ %v";

LogOptions& options() {
  static LogOptions current;
  return current;
}

// Null: the log is not open, lines go where spdlog sends them by itself.
std::unique_ptr<LogWriter>& writer() {
  static std::unique_ptr<LogWriter> current;
  return current;
}

std::shared_ptr<spdlog::sinks::sink> make_sink(const std::string& to) {
  if (to == "stderr") return std::make_shared<LineSink>();
  if (to == "syslog")
    return std::make_shared<spdlog::sinks::syslog_sink_mt>("sluice", 0, LOG_MAIL, false);
  return std::make_shared<LineSink>(to);
}

std::shared_ptr<spdlog::logger> make_logger() {
  auto logger = std::make_shared<spdlog::logger>("sluice", make_sink(options().to));
  logger->set_level(spdlog::level::from_str(options().level));
  logger->set_pattern(options().to == "syslog" ? "%v" : kPattern, spdlog::pattern_time_type::utc);
  return logger;
}

void tell(spdlog::level::level_enum level, std::string_view text) {
  if (writer()) {
    writer()->take(level, std::string(text));
  } else {
    spdlog::log(level, "{}", text);
  }
}

}  // namespace

Result<void> open_log(const LogOptions& wanted) {
  try {
    options() = wanted;
    writer() = std::make_unique<LogWriter>(make_logger());
    return {};
  } catch (const spdlog::spdlog_ex& e) {
    return config_error(e.what());
  }
}

void reopen_log() {
  try {
    writer()->change(make_logger());
  } catch (const spdlog::spdlog_ex&) {  // the old one goes on
  }
}

void log_error(std::string_view message) { tell(spdlog::level::err, message); }
void log_warning(std::string_view message) { tell(spdlog::level::warn, message); }
void log_info(std::string_view message) { tell(spdlog::level::info, message); }
void log_line(std::string_view line) { tell(spdlog::level::critical, line); }
void flush_log() { writer()->stop(); }

}  // namespace sluice::app
