#include "running_filter.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "../free_port.h"
#include "../socket_folder.h"

namespace sluice::wire_test {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr auto kStartPatience = 90s;  // sanitizer builds on a loaded machine start slowly
constexpr auto kPollStep = 10ms;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) throw std::runtime_error(std::string(name) + " is not set");
  return value;
}

pid_t spawn(const std::vector<std::string>& command, const fs::path& log,
            std::size_t max_descriptors) {
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
  if (max_descriptors > 0) {
    const rlimit limit{max_descriptors, max_descriptors};
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  ::execv(arguments[0], arguments.data());
  ::_exit(127);
}

std::size_t status_number(pid_t pid, std::string_view key) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key)) return std::strtoul(line.c_str() + key.size(), nullptr, 10);
  return 0;
}

peer::Endpoint unix_endpoint(const ScratchFolder& folder) {
  return {(folder.path() / "filter.sock").string(), {}, 0};
}

}  // namespace

peer::Endpoint free_port() {
  const int port = testing::free_port();
  if (port == 0) throw std::runtime_error("no free port");
  return {{}, "127.0.0.1", static_cast<std::uint16_t>(port)};
}

namespace {

std::string text_of(const peer::Endpoint& endpoint) {
  if (!endpoint.path.empty()) return "unix:" + endpoint.path;
  return "inet:" + endpoint.host + ":" + std::to_string(endpoint.port);
}

std::vector<std::string> service_command(const ScratchFolder& folder, const ServiceSetup& setup,
                                         const peer::Endpoint& endpoint) {
  const std::string base = folder.path().string();
  fs::create_directory(folder.path() / "state");
  const fs::path policy = folder.write("policy.yaml", setup.policy);
  const std::string engine = setup.engine.empty() ? engine_under_test() : setup.engine;
  std::string listen = "listen:\n  - \"" + text_of(endpoint) + "\"\n";
  for (const std::string& more : setup.more_listen) listen += "  - " + more + "\n";
  const fs::path config = folder.write(
      "sluice.yaml", listen + "policies: [" + policy.string() +
                         "]\nstate: " + base + "/state\ncontrol: " + base +
                         "/control.sock\nengine: " + engine + "\n" + setup.more_config);
  return {environment("SLUICE_BIN"), "run", "-c", config.string()};
}

}  // namespace

ScratchFolder::ScratchFolder() {
  std::string name = (testing::socket_folder() / "sluice-wire-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch folder");
  path_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path ScratchFolder::write(std::string_view name, std::string_view text) const {
  fs::path file = path_ / name;
  std::ofstream(file) << text;
  return file;
}

std::string ScratchFolder::read(std::string_view name) const {
  std::ifstream file(path_ / name);
  return {std::istreambuf_iterator<char>(file), {}};
}

RunningFilter::RunningFilter(const std::vector<std::string>& command,
                             const peer::Endpoint& endpoint, const ScratchFolder& folder,
                             std::size_t max_descriptors)
    : endpoint_(endpoint), pid_(spawn(command, folder.path() / "log", max_descriptors)) {
  const auto deadline = std::chrono::steady_clock::now() + kStartPatience;
  while (is_alive() && std::chrono::steady_clock::now() < deadline) {
    if (peer::Link::open(endpoint_)) return;
    std::this_thread::sleep_for(kPollStep);
  }
  if (is_alive()) {
    signal(SIGKILL);
    wait(kStartPatience);
  }
  throw std::runtime_error("the filter does not listen: " + folder.read("log"));
}

RunningFilter::~RunningFilter() {
  if (!is_alive()) return;
  signal(SIGKILL);
  wait(kStartPatience);
}

bool RunningFilter::is_alive() {
  if (!has_ended_ && ::waitpid(pid_, &status_, WNOHANG) == pid_) has_ended_ = true;
  return !has_ended_;
}

void RunningFilter::signal(int number) const { ::kill(pid_, number); }

int RunningFilter::wait(std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (is_alive()) {
    if (std::chrono::steady_clock::now() >= deadline) return -1;
    std::this_thread::sleep_for(kPollStep);
  }
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
}

std::size_t RunningFilter::rss_kib() const { return status_number(pid_, "VmRSS:"); }

std::size_t RunningFilter::threads() const { return status_number(pid_, "Threads:"); }

std::chrono::milliseconds RunningFilter::cpu_time() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  long ticks = 0;
  std::string skipped;
  for (int i = 3; i < 14; ++i) fields >> skipped;  // utime and stime are fields 14 and 15
  for (long value = 0, i = 0; i < 2 && fields >> value; ++i) ticks += value;
  return std::chrono::milliseconds(ticks * 1000 / ::sysconf(_SC_CLK_TCK));
}

std::size_t RunningFilter::descriptors() const {
  std::error_code fault;
  const fs::directory_iterator folder("/proc/" + std::to_string(pid_) + "/fd", fault);
  return fault ? 0 : static_cast<std::size_t>(std::distance(begin(folder), end(folder)));
}

std::size_t RunningFilter::settle_descriptors(std::size_t wanted,
                                              std::chrono::milliseconds timeout) const {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (descriptors() > wanted && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(kPollStep);
  return descriptors();
}

EmptyFilter::EmptyFilter(std::string_view steps)
    : filter_(
          {environment("SLUICE_EMPTY_FILTER"), text_of(unix_endpoint(folder_)), std::string(steps)},
          unix_endpoint(folder_), folder_) {}

SluiceFilter::SluiceFilter(const ServiceSetup& setup)
    : endpoint_(setup.over_inet ? free_port() : unix_endpoint(folder_)),
      filter_(service_command(folder_, setup, endpoint_), endpoint_, folder_,
              setup.max_descriptors) {}

std::string SluiceFilter::status() const {
  const std::string out = (folder_.path() / "status.json").string();
  const std::string command = environment("SLUICE_BIN") + " status --json -c " +
                              (folder_.path() / "sluice.yaml").string() + " > " + out + " 2>&1";
  [[maybe_unused]] const int code = std::system(command.c_str());
  std::string json = folder_.read("status.json");
  std::erase_if(json, [](char c) { return c == ' ' || c == '\n'; });
  return json;
}

std::string engine_under_test() {
  const char* engine = std::getenv("SLUICE_ENGINE");
  return engine == nullptr ? "wire" : engine;
}

}  // namespace sluice::wire_test
