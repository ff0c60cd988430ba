#include "load/process_usage.h"

#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>

namespace sluice::load {
namespace {

std::size_t number_in(const std::string& line) {
  const std::size_t begin = line.find_first_of("0123456789");
  return begin == std::string::npos ? 0 : std::stoul(line.substr(begin, 18));
}

}  // namespace

std::optional<ProcessUsage> ProcessUsage::of(int pid) {
  clockid_t clock = 0;
  timespec used{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &used) != 0)
    return std::nullopt;
  ProcessUsage usage;
  usage.cpu = std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
  const std::string folder = "/proc/" + (pid == 0 ? "self" : std::to_string(pid));
  std::ifstream status(folder + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) usage.rss_kib = number_in(line);
    if (line.starts_with("Threads:")) usage.threads = number_in(line);
  }
  std::error_code fault;
  for (auto fd = std::filesystem::directory_iterator(folder + "/fd", fault);
       !fault && fd != std::filesystem::directory_iterator(); fd.increment(fault))
    ++usage.descriptors;
  return usage;
}

}  // namespace sluice::load
