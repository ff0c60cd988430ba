#include "app/log_sink.h"

#include <catch2/catch.hpp>
#include <sys/resource.h>
#include <unistd.h>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

using namespace sluice::app;

namespace {

std::shared_ptr<spdlog::logger> logger_to(const std::string& path) {
  auto logger = std::make_shared<spdlog::logger>("test", std::make_shared<LineSink>(path));
  logger->set_level(spdlog::level::info);
  logger->set_pattern("%v");
  return logger;
}

class LogFile {
 public:
  explicit LogFile(const char* name)
      : path_(std::filesystem::temp_directory_path() /
              (std::string("sluice-") + name + std::to_string(::getpid()))) {
    std::filesystem::remove(path_);
  }
  ~LogFile() { std::filesystem::remove(path_); }
  std::string path() const { return path_.string(); }
  std::string text() const {
    std::ostringstream text;
    text << std::ifstream(path_).rdbuf();
    return text.str();
  }

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("log: lines come out whole and in their order, those above the level only") {
  LogFile file("log-order");
  std::string expected;
  {
    LogWriter writer(logger_to(file.path()));
    for (int i = 0; i < 20'000; ++i) {
      writer.take(spdlog::level::critical, "line " + std::to_string(i));
      writer.take(spdlog::level::debug, "not this one");
      expected += "line " + std::to_string(i) + "\n";
      if (i % 5'000 == 0) std::this_thread::sleep_for(2 * LogWriter::kInterval);
    }
  }
  CHECK(file.text() == expected);
}

namespace {

// Until its end no file of this process grows beyond `bytes`: a full disk.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit now{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
  }
  ~FullDisk() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

}  // namespace

TEST_CASE("log: what a full disk took is counted when it has room again, no two lines become one") {
  LogFile file("log-full");
  const auto logger = logger_to(file.path());
  logger->info("first");
  logger->flush();
  {
    const FullDisk full(std::string("first\nsec").size());
    for (const char* line : {"second", "third"}) logger->info(line);
    logger->flush();
    logger->info("fourth");
    logger->flush();
  }
  logger->info("fifth");
  logger->flush();
  logger->info("sixth");
  logger->flush();
  CHECK(file.text() == "first\nsec\n3 log lines were lost: File too large\nfifth\nsixth\n");
}

TEST_CASE("log: lines of many threads are all there") {
  LogFile file("log-threads");
  {
    LogWriter writer(logger_to(file.path()));
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&writer] {
        for (int i = 0; i < 1'000; ++i) writer.take(spdlog::level::info, "a line");
      });
    for (std::thread& thread : threads) thread.join();
  }
  CHECK(file.text().size() == 4 * 1'000 * std::string("a line\n").size());
}

TEST_CASE("log: after a change of the file, lines go to the new one") {
  LogFile first("log-first"), second("log-second");
  LogWriter writer(logger_to(first.path()));
  writer.take(spdlog::level::info, "before");
  writer.change(logger_to(second.path()));
  writer.take(spdlog::level::info, "after");
  writer.stop();
  CHECK(first.text() + second.text() == "before\nafter\n");
  CHECK(second.text().find("after\n") != std::string::npos);
}
