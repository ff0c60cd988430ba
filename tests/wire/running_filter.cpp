#include "running_filter.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>

namespace sluice::wire_test {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr auto kStartPatience = 20s;  // sanitizer builds on a loaded machine start slowly
constexpr auto kPollStep = 10ms;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) throw std::runtime_error(std::string(name) + " is not set");
  return value;
}

pid_t spawn(const std::vector<std::string>& command, const fs::path& log) {
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

// A port that was free a moment ago.
peer::Endpoint inet_endpoint() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool is_bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0 &&
                        ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(fd);
  if (!is_bound) throw std::runtime_error("no free port");
  return {{}, "127.0.0.1", ntohs(address.sin_port)};
}

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
  const fs::path config = folder.write(
      "sluice.yaml", "listen: [\"" + text_of(endpoint) + "\"]\npolicies: [" + policy.string() +
                         "]\nstate: " + base + "/state\ncontrol: " + base +
                         "/control.sock\nengine: " + engine + "\n" + setup.more_config);
  return {environment("SLUICE_BIN"), "run", "-c", config.string()};
}

}  // namespace

ScratchFolder::ScratchFolder() {
  std::string name = (fs::temp_directory_path() / "sluice-wire-XXXXXX").string();
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
                             const peer::Endpoint& endpoint, const ScratchFolder& folder)
    : endpoint_(endpoint), pid_(spawn(command, folder.path() / "log")) {
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
    : endpoint_(setup.over_inet ? inet_endpoint() : unix_endpoint(folder_)),
      filter_(service_command(folder_, setup, endpoint_), endpoint_, folder_) {}

std::string engine_under_test() {
  const char* engine = std::getenv("SLUICE_ENGINE");
  return engine == nullptr ? "libmilter" : engine;
}

}  // namespace sluice::wire_test
