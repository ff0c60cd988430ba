#include "milter/wire_engine.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

namespace sluice::milter {
namespace {

constexpr std::size_t kMaxThreads = 4;
constexpr std::size_t kDescriptorsForOthers = 32;  // store, DNS, control socket, log
constexpr std::size_t kFewestConnections = 8;

std::size_t threads_for(std::size_t wanted) {
  if (wanted > 0) return wanted;
  return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, kMaxThreads);
}

std::size_t connections_for_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kFewestConnections;
  const auto most = static_cast<std::size_t>(limit.rlim_cur);
  return std::max(kFewestConnections, most - std::min(most, kDescriptorsForOthers));
}

class WireEngine final : public FrontEnd {
 public:
  explicit WireEngine(const WireOptions& options) : options_(options) {}
  ~WireEngine() override {
    stop_accepting();
    reactors_.clear();
  }

  Result<void> start(std::vector<ListeningPlace> places, SessionSource& source,
                     const engine::Resources& resources) override;
  void stop_accepting() override;
  void end_sessions() override {
    for (const auto& reactor : reactors_) reactor->end_sessions();
  }
  std::size_t open_sessions() const override { return shared_.open; }
  std::uint64_t sessions_served() const override { return shared_.served; }
  std::uint64_t broken_sessions() const override { return shared_.broken; }
  std::vector<PlaceCounts> places() const override {
    return acceptor_ ? acceptor_->counts() : std::vector<PlaceCounts>();
  }
  bool has_failed() const override { return false; }

 private:
  std::size_t connections() const {
    std::size_t count = 0;
    for (const auto& reactor : reactors_) count += reactor->connections();
    return count;
  }
  void take(int fd, wire::Place& place);

  const WireOptions options_;
  wire::Shared shared_;
  // The acceptor runs on the first reactor's loop and holds the places of all connections: reactors
  // are cleared first (see the destructor).
  std::unique_ptr<wire::Acceptor> acceptor_;
  std::vector<std::unique_ptr<wire::Reactor>> reactors_;
};

Result<void> WireEngine::start(std::vector<ListeningPlace> places, SessionSource& source,
                               const engine::Resources& resources) {
  shared_.source = &source;
  shared_.resources = resources;
  shared_.failure_accepts = options_.failure_accepts;
  shared_.silent = options_.silent;
  for (std::size_t i = 0; i < threads_for(options_.threads); ++i) {
    auto reactor = wire::Reactor::start("milter-" + std::to_string(i), shared_, options_.patience);
    if (!reactor) {
      for (const ListeningPlace& place : places) ::close(place.fd);
      return tl::unexpected(reactor.error());
    }
    reactors_.push_back(std::move(*reactor));
  }
  wire::Acceptor::Options options;
  options.max_connections = connections_for_descriptors();
  acceptor_ = std::make_unique<wire::Acceptor>(
      reactors_.front()->loop(), std::move(places), options, [this] { return connections(); },
      [this](int fd, wire::Place& place) { take(fd, place); });
  acceptor_->start();
  return {};
}

// To the reactor with the fewest.
void WireEngine::take(int fd, wire::Place& place) {
  const auto fewest = std::min_element(
      reactors_.begin(), reactors_.end(),
      [](const auto& a, const auto& b) { return a->connections() < b->connections(); });
  (*fewest)->adopt(fd, place);
}

void WireEngine::stop_accepting() {
  if (acceptor_) acceptor_->stop();
  for (const auto& reactor : reactors_) reactor->hurry_negotiations();
}

}  // namespace

std::unique_ptr<FrontEnd> make_wire_engine(WireOptions options) {
  return std::make_unique<WireEngine>(options);
}

}  // namespace sluice::milter
