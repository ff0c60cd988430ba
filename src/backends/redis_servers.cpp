// Servers that nobody watches: the first that is up and a master, until it fails.
#include <algorithm>

#include "backends/redis_topology.h"

namespace sluice::backends {
namespace {

class RedisServers final : public RedisTopology {
 public:
  RedisServers(const Setting& setting, std::vector<Endpoint> servers)
      : setting_(setting), addresses_(std::move(servers)) {}

  void start() override;
  void close() override;
  RedisPlace place(int slot) override;
  RedisPlace place_at(const Endpoint& at) override;
  void told(RedisNode& by, RedisReaction reaction, const std::string& error) override;
  void lost(RedisNode&) override {}
  RedisTopologyState state() const override;

 private:
  RedisNode::Standing standing(const RedisNode& node) const;
  std::string why() const;

  const Setting setting_;
  const std::vector<Endpoint> addresses_;
  std::vector<std::shared_ptr<RedisNode>> nodes_;
  std::size_t current_ = 0;
};

void RedisServers::start() {
  for (const Endpoint& at : addresses_)
    nodes_.push_back(RedisNode::start(*setting_.loop, at, setting_.node,
                                      [this](RedisNode&) { setting_.changed(); }));
}

void RedisServers::close() {
  for (const auto& node : nodes_) node->close("the service ends");
}

RedisNode::Standing RedisServers::standing(const RedisNode& node) const {
  if (node.role().kind == RedisRole::Kind::Replica) return RedisNode::Standing::Down;
  return node.standing(EventLoop::Steady::now());
}

RedisPlace RedisServers::place(int) {
  using Standing = RedisNode::Standing;
  if (standing(*nodes_[current_]) == Standing::Up) return {nodes_[current_], false, {}};
  bool is_one_coming = false;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const Standing is = standing(*nodes_[i]);
    is_one_coming = is_one_coming || is == Standing::Soon;
    if (is != Standing::Up) continue;
    setting_.log("redis: uses " + addresses_[i].to_string() + ", not " +
                 addresses_[current_].to_string() + ": " + why());
    current_ = i;
    return {nodes_[i], false, {}};
  }
  return {nullptr, is_one_coming, why()};
}

std::string RedisServers::why() const {
  const RedisNode& node = *nodes_[current_];
  std::string text = node.at().to_string() + ": ";
  if (node.role().kind == RedisRole::Kind::Replica) return text + "it is a replica";
  return text + (node.why().empty() ? "not connected yet" : node.why());
}

RedisPlace RedisServers::place_at(const Endpoint&) {
  return {nullptr, false, "the server belongs to a Cluster; redis.cluster names its nodes"};
}

void RedisServers::told(RedisNode& by, RedisReaction reaction, const std::string&) {
  if (reaction == RedisReaction::Follow) by.assume_replica();
}

RedisTopologyState RedisServers::state() const {
  RedisTopologyState state;
  state.is_available = std::any_of(nodes_.begin(), nodes_.end(), [this](const auto& node) {
    return standing(*node) == RedisNode::Standing::Up;
  });
  state.is_complete = state.is_available;
  state.what = nodes_.size() == 1 ? "server " : "of " + std::to_string(nodes_.size()) + " servers ";
  state.what += addresses_[current_].to_string();
  for (const auto& node : nodes_) {
    state.nodes.push_back(node->health());
    state.reconnects += node->reconnects();
  }
  return state;
}

}  // namespace

std::unique_ptr<RedisTopology> make_redis_servers(const RedisTopology::Setting& setting,
                                                  std::vector<Endpoint> servers) {
  return std::make_unique<RedisServers>(setting, std::move(servers));
}

}  // namespace sluice::backends
