#include "app/logging.h"

#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>

namespace sluice::app {
namespace {

constexpr std::size_t kQueue = 32'768;
constexpr const char* kPattern = "%Y-%m-%dT%H:%M:%S.%eZ %v";

LogOptions& options() {
  static LogOptions current;
  return current;
}

std::shared_ptr<spdlog::sinks::sink> make_sink(const std::string& to) {
  if (to == "stderr") return std::make_shared<spdlog::sinks::stderr_sink_mt>();
  if (to == "syslog")
    return std::make_shared<spdlog::sinks::syslog_sink_mt>("sluice", 0, LOG_MAIL, false);
  return std::make_shared<spdlog::sinks::basic_file_sink_mt>(to);
}

void install(std::shared_ptr<spdlog::sinks::sink> sink) {
  if (spdlog::thread_pool() == nullptr) spdlog::init_thread_pool(kQueue, 1);
  auto logger =
      std::make_shared<spdlog::async_logger>("sluice", std::move(sink), spdlog::thread_pool(),
                                             spdlog::async_overflow_policy::overrun_oldest);
  logger->set_level(spdlog::level::from_str(options().level));
  logger->set_pattern(options().to == "syslog" ? "%v" : kPattern, spdlog::pattern_time_type::utc);
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace

Result<void> open_log(const LogOptions& wanted) {
  try {
    options() = wanted;
    install(make_sink(wanted.to));
    return {};
  } catch (const spdlog::spdlog_ex& e) {
    return config_error(e.what());
  }
}

void reopen_log() {
  try {
    install(make_sink(options().to));
  } catch (const spdlog::spdlog_ex&) {  // the old one goes on
  }
}

void log_error(std::string_view message) { spdlog::error("{}", message); }
void log_warning(std::string_view message) { spdlog::warn("{}", message); }
void log_info(std::string_view message) { spdlog::info("{}", message); }
void log_line(std::string_view line) { spdlog::log(spdlog::level::critical, "{}", line); }
void flush_log() {
  spdlog::default_logger()->flush();
  spdlog::shutdown();
}

}  // namespace sluice::app
