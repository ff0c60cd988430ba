// Redis servers of the tests' own: started on free ports of the loopback, ended with the object (or
// with the test, whatever way that ends).
#pragma once
#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "../../free_port.h"

namespace sluice::backends {

inline constexpr const char* kRedisServerPath = "/usr/bin/redis-server";

class RedisProcess {
 public:
  // `settings` are lines of redis.conf; with `as_sentinel` the process is a Sentinel.
  explicit RedisProcess(const std::string& settings = "", bool as_sentinel = false)
      : settings_(settings), as_sentinel_(as_sentinel) {
    auto pattern = (std::filesystem::temp_directory_path() / "sluice-redis-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    for (int tries = 0; tries < 10 && pid_ < 0; ++tries) begin();
    if (pid_ < 0) FAIL("no redis-server would start; see its reasons with `logfile`");
  }
  RedisProcess(const RedisProcess&) = delete;
  RedisProcess& operator=(const RedisProcess&) = delete;
  ~RedisProcess() {
    stop(SIGKILL);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  static bool is_installed() { return ::access(kRedisServerPath, X_OK) == 0; }

  int port() const { return port_; }
  std::string address() const { return fmt::format("127.0.0.1:{}", port_); }
  // What redis-cli prints for a command.
  std::string ask(const std::string& command) const {
    const auto line = fmt::format("redis-cli -p {} {} 2>&1", port_, command);
    std::string text;
    FILE* pipe = ::popen(line.c_str(), "r");
    std::array<char, 4096> part{};
    while (const auto n = std::fread(part.data(), 1, part.size(), pipe)) text.append(part.data(), n);
    ::pclose(pipe);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }
  // A number that INFO knows.
  std::int64_t info(const std::string& section, const std::string& name) const {
    const auto text = ask("info " + section);
    const auto at = text.find(name + ":");
    return at == std::string::npos ? -1 : std::atoll(text.c_str() + at + name.size() + 1);
  }
  // Calls of a command since the last CONFIG RESETSTAT.
  std::int64_t calls(const std::string& command) const {
    const auto text = ask("info commandstats");
    const auto at = text.find("cmdstat_" + command + ":calls=");
    return at == std::string::npos
               ? 0
               : std::atoll(text.c_str() + at + std::string("cmdstat_:calls=").size() +
                            command.size());
  }
  void send(int signal_number) const {
    if (pid_ > 0) ::kill(pid_, signal_number);
  }
  void stop(int signal_number) {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGCONT);
    ::kill(pid_, signal_number);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  // At the same place again.
  void start() {
    for (int tries = 0; tries < 100 && pid_ < 0; ++tries) launch();
    if (pid_ < 0) FAIL("redis-server does not start again at " << address());
  }
  // Until the answer to a command holds the text.
  void wait_for(const std::string& command, const std::string& text) const {
    std::string answer;
    for (int tries = 0; tries < 1'800; ++tries) {
      answer = ask(command);
      if (answer.find(text) != std::string::npos) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    FAIL(command << " says " << answer << " instead of " << text);
  }

 private:
  void begin() {
    port_ = testing::free_port(10'000);  // where its Cluster bus is
    if (port_ == 0) FAIL("no free port");
    std::ofstream(folder_ / "redis.conf")
        << fmt::format("port {}\nbind 127.0.0.1\ndir {}\nlogfile redis.log\ndaemonize no\n", port_,
                       folder_.string())
        << (as_sentinel_ ? "" : "save \"\"\nappendonly no\n") << settings_ << "\n";
    launch();
  }
  // pid_ stays -1 when the server ended at once: somebody else had the port.
  void launch() {
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      const auto configuration = (folder_ / "redis.conf").string();
      ::execl(kRedisServerPath, kRedisServerPath, configuration.c_str(),
              as_sentinel_ ? "--sentinel" : nullptr, nullptr);
      ::_exit(127);
    }
    // It, and not another that took the port first.
    const auto itself = fmt::format("process_id:{}\r", pid_);
    for (int tries = 0; tries < 1'800; ++tries) {
      if (ask("info server").find(itself) != std::string::npos) return;
      if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
        pid_ = -1;
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    FAIL("redis-server does not answer at " << address());
  }

  const std::string settings_;
  const bool as_sentinel_;
  int port_ = 0;
  std::filesystem::path folder_;
  pid_t pid_ = -1;
};

}  // namespace sluice::backends
