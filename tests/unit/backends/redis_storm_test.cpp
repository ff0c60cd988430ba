// Many at once on one Redis: processes that race for a budget, and a flood of forged senders.
// SLUICE_REDIS_FLOOD gives the size of the flood (scripts/prove-store).
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <thread>

#include "backends/redis_store.h"
#include "store_twins.h"

namespace sluice::backends {
namespace {

constexpr int kProcesses = 4, kConnections = 16;  // of each
constexpr std::int64_t kBudget = 500;

RedisOptions at(const RedisProcess& server) {
  RedisOptions options;
  options.servers = {server.address()};
  return options;
}

// One filter process: every connection reserves and commits until it is refused often. Returns what
// it let through.
int run_filter(const RedisOptions& options, int number) {
  const auto store = open_redis_store(options);
  std::atomic<int> admitted = 0;
  std::vector<std::thread> connections;
  for (int c = 0; c < kConnections; ++c) {
    connections.emplace_back([&, c] {
      auto id = static_cast<ReservationId>(number * kConnections + c) * 1'000'000;
      for (int refused = 0; refused < 3;) {
        const auto op = reserve(++id, "budget", {{kBudget, hours(1)}});
        if (!ask(*store, op).granted) {
          ++refused;
          continue;
        }
        ask(*store, commit(op));
        ++admitted;
      }
    });
  }
  for (auto& connection : connections) connection.join();
  return admitted;
}

TEST_CASE("redis store: 64 connections of 4 processes race for one budget, never one too many",
          "[redis]") {
  if (!RedisProcess::is_installed()) {
    WARN("skipped: no redis-server");
    return;
  }
  RedisProcess server;
  std::vector<pid_t> processes;
  std::vector<int> pipes;
  for (int p = 0; p < kProcesses; ++p) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
      const int admitted = run_filter(at(server), p);
      const bool written = ::write(ends[1], &admitted, sizeof admitted) == sizeof admitted;
      ::_exit(written ? 0 : 1);
    }
    ::close(ends[1]);
    processes.push_back(pid);
    pipes.push_back(ends[0]);
  }
  std::int64_t admitted = 0;
  for (std::size_t p = 0; p < processes.size(); ++p) {
    int of_process = 0;
    CHECK(::read(pipes[p], &of_process, sizeof of_process) == sizeof of_process);
    admitted += of_process;
    ::close(pipes[p]);
    int status = 0;
    ::waitpid(processes[p], &status, 0);
    CHECK(status == 0);
  }
  CHECK(admitted == kBudget);
}

// A submission of many operations, as many sessions together would make it.
void submit_all(StateStore& store, std::size_t count, const std::function<StateOp(std::size_t)>& op) {
  constexpr std::size_t kAtOnce = 500;
  for (std::size_t from = 0; from < count; from += kAtOnce) {
    std::vector<StateOp> ops;
    for (std::size_t i = from; i < std::min(count, from + kAtOnce); ++i) ops.push_back(op(i));
    ask_all(store, std::move(ops));
  }
}

TEST_CASE("redis store: a flood of forged senders takes no pass and no limit away", "[redis]") {
  if (!RedisProcess::is_installed()) {
    WARN("skipped: no redis-server");
    return;
  }
  const auto flood = from_environment("SLUICE_REDIS_FLOOD", 40'000);
  // Room for what is known and for a part of the flood.
  const std::size_t known = flood / 20;
  const auto cap = static_cast<std::int64_t>(3'000'000 + flood * 60);
  RedisProcess server(fmt::format("maxmemory {}\nmaxmemory-policy volatile-ttl", cap));
  const auto store = open_redis_store(at(server));
  const std::vector<Window> windows{{1'000, hours(1)}};
  const auto name = [](const char* kind, std::size_t i) { return fmt::format("{}/{}", kind, i); };
  submit_all(*store, known, [&](std::size_t i) {
    return GreylistPromote{name("pass", i), name("pass", i), hours(24 * 35), "", 0, {}};
  });
  submit_all(*store, known, [&](std::size_t i) {
    return commit(reserve(i + 1, name("limit", i), windows, 3));
  });
  submit_all(*store, flood, [&](std::size_t i) {
    return GreylistRecord{name("forged", i), name("forged sender", i), hours(48)};
  });
  std::size_t passes = 0, limits = 0;
  for (std::size_t i = 0; i < known; ++i) {
    const auto answers =
        ask_all(*store, {GreylistLook{name("pass", i), "", minutes(5), hours(48)},
                         peek(reserve(1'000'000 + i, name("limit", i), windows))});
    passes += answers[0].greylist == GreylistState::Passed ? 1 : 0;
    limits += answers[1].used == 3 ? 1 : 0;
  }
  CHECK(server.info("stats", "evicted_keys") > static_cast<std::int64_t>(flood / 10));
  CHECK(server.info("memory", "used_memory") < cap + cap / 10);
  CHECK(passes == known);
  CHECK(limits == known);
}

}  // namespace
}  // namespace sluice::backends
