// milter_load - plays the MTA for a filter and measures what the filter gives and costs.
//
// Exit: 0 measured, 64 usage, 69 the filter does not answer or breaks sessions off.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

#include "load/generator.h"
#include "load/idle_crowd.h"
#include "load/options.h"
#include "load/process_usage.h"
#include "load/report.h"

namespace {

using namespace sluice::load;
using std::chrono::duration;
using std::chrono::milliseconds;

struct Arguments {
  LoadOptions options;
  std::string at;
  double pause_ms = 0;
  double warm_up_s = 1;
  double seconds = 5;
  bool json = false;
};

void describe(CLI::App& app, Arguments& arguments) {
  LoadOptions& options = arguments.options;
  app.add_option("--at", arguments.at, "the filter: unix:PATH or inet:HOST:PORT")->required();
  app.add_option("--connections", options.connections, "sessions at once")
      ->check(CLI::Range(1, 20000))
      ->capture_default_str();
  app.add_option("--messages", options.messages, "messages of one session")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_option("--recipients", options.recipients, "recipients of one message")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  app.add_option("--headers", options.headers, "headers of one message")
      ->check(CLI::Range(0, 10000))
      ->capture_default_str();
  app.add_option("--body", options.body_bytes, "bytes of one body")
      ->check(CLI::Range(0, 64 << 20))
      ->capture_default_str();
  app.add_option("--clients", options.clients, "different client addresses and senders")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--first-client", options.first_client,
                 "number of the first of them; from 65536 on they are in 198.19.0.0/16")
      ->check(CLI::Range(0, 131071));
  app.add_option("--pause", arguments.pause_ms, "ms a client waits before each command")
      ->check(CLI::Range(0.0, 60000.0))
      ->capture_default_str();
  app.add_option("--rate", options.rate, "open loop: messages per second begun")
      ->check(CLI::Range(0.0, 1e7));
  app.add_option("--idle", options.idle, "connections held after HELO")
      ->check(CLI::Range(0, 100000));
  app.add_option("--threads", options.threads, "threads of the generator")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--warm-up", arguments.warm_up_s, "s before measuring")->capture_default_str();
  app.add_option("--seconds", arguments.seconds, "s of measuring")->capture_default_str();
  app.add_option("--pid", options.filter_pids,
                 "a process of the filter, repeatable: CPU, memory and threads of all together");
  app.add_flag("--json", arguments.json);
}

milliseconds to_ms(double seconds) {
  return std::chrono::duration_cast<milliseconds>(duration<double>(seconds));
}

ProcessUsage usage_of(int pid) { return ProcessUsage::of(pid).value_or(ProcessUsage{}); }

std::vector<ProcessUsage> usage_of(const std::vector<int>& pids) {
  std::vector<ProcessUsage> usages;
  for (const int pid : pids) usages.push_back(usage_of(pid));
  return usages;
}

std::size_t resident_kib(const LoadOptions& options) {
  std::size_t kib = 0;
  for (const ProcessUsage& usage : usage_of(options.filter_pids)) kib += usage.rss_kib;
  return kib;
}

double cpu_us(const ProcessUsage& before, const ProcessUsage& after) {
  return duration<double, std::micro>(after.cpu - before.cpu).count();
}

void add_processes(Report& report, const std::vector<int>& pids,
                   const std::vector<ProcessUsage>& before,
                   const std::vector<ProcessUsage>& after) {
  for (std::size_t i = 0; i < pids.size(); ++i) {
    report.processes.push_back({pids[i], cpu_us(before[i], after[i]), after[i].rss_kib});
    report.filter_cpu_us += report.processes.back().cpu_us;
    report.rss_kib += after[i].rss_kib;
    report.threads += after[i].threads;
    report.descriptors += after[i].descriptors;
  }
}

// Runs all threads through warm-up and window, and takes the processes' clocks at its two ends.
Report measure(const LoadOptions& options) {
  const Time begin = std::chrono::steady_clock::now() + options.warm_up;
  const Window window{begin, begin + options.duration};
  LoadOptions share = options;
  share.connections = std::max<std::size_t>(options.connections / options.threads, 1);
  share.rate = options.rate / static_cast<double>(options.threads);
  std::vector<std::unique_ptr<Generator>> generators;
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < options.threads; ++i) {
    generators.push_back(std::make_unique<Generator>(share, window, i * 7919));
    threads.emplace_back([&generator = *generators.back()] { generator.run(); });
  }
  std::this_thread::sleep_until(window.begin);
  const auto filter_before = usage_of(options.filter_pids);
  const ProcessUsage own_before = usage_of(0);
  std::this_thread::sleep_until(window.end);
  const auto filter_after = usage_of(options.filter_pids);
  const ProcessUsage own_after = usage_of(0);
  threads.clear();

  Report report;
  for (const auto& generator : generators) report.counts.merge(generator->counts());
  report.seconds = duration<double>(options.duration).count();
  add_processes(report, options.filter_pids, filter_before, filter_after);
  report.generator_cpu_us = cpu_us(own_before, own_after);
  return report;
}

int run(const Arguments& arguments) {
  const LoadOptions& options = arguments.options;
  const std::size_t rss_before = resident_kib(options);
  const Time opening = std::chrono::steady_clock::now();
  const auto crowd = IdleCrowd::open(options.endpoint, options.idle);
  if (!crowd) {
    std::fprintf(stderr, "milter_load: idle connections: %s\n", crowd.error().what.c_str());
    return 69;
  }
  const duration<double, std::micro> opened = std::chrono::steady_clock::now() - opening;
  const std::size_t rss_idle = resident_kib(options);
  Report report = measure(options);
  if (options.idle > 0) {
    const auto idle = static_cast<double>(options.idle);
    report.idle = options.idle;
    report.idle_lost = crowd->lost();
    report.idle_kib_each = (static_cast<double>(rss_idle) - static_cast<double>(rss_before)) / idle;
    report.idle_open_us_each = opened.count() / idle;
  }
  const std::string text = arguments.json ? render_json(report, options) : render_text(report);
  std::fputs(text.c_str(), stdout);
  const bool failed = report.counts.messages + report.counts.refused == 0 ||
                      report.counts.failures > 0 || report.idle_lost > 0;
  return failed ? 69 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Plays the MTA for a milter and measures it."};
  Arguments arguments;
  describe(app, arguments);
  CLI11_PARSE(app, argc, argv);
  const auto endpoint = sluice::peer::Endpoint::parse(arguments.at);
  if (!endpoint) {
    std::fprintf(stderr, "milter_load: %s\n", endpoint.error().what.c_str());
    return 64;
  }
  LoadOptions& options = arguments.options;
  options.endpoint = *endpoint;
  options.pause = std::chrono::duration_cast<std::chrono::microseconds>(
      duration<double, std::milli>(arguments.pause_ms));
  options.warm_up = to_ms(arguments.warm_up_s);
  options.duration = to_ms(arguments.seconds);
  return run(arguments);
}
