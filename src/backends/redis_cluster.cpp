// A Redis Cluster: the map of slots is learnt from any node, corrected by MOVED, and asked for
// again whenever a server fails.
#include <algorithm>
#include <map>
#include <set>

#include "backends/redis_address.h"
#include "backends/redis_command.h"
#include "backends/redis_slot.h"
#include "backends/redis_slot_map.h"
#include "backends/redis_topology.h"

namespace sluice::backends {
namespace {

constexpr Duration kRefreshAtMost{100};    // between two questions for the map
constexpr Duration kRefreshWhileBad{250};  // while a server is away or slots have none
constexpr Duration kRefreshAnyway{10'000};

class RedisCluster final : public RedisTopology {
 public:
  RedisCluster(const Setting& setting, std::vector<Endpoint> seeds)
      : setting_(setting),
        seeds_(std::move(seeds)),
        slots_(static_cast<std::size_t>(kRedisSlots)) {}

  void start() override;
  void close() override;
  bool joins_slots() const override { return false; }
  RedisPlace place(int slot) override;
  RedisPlace place_at(const Endpoint& at) override;
  void told(RedisNode& by, RedisReaction reaction, const std::string& error) override;
  void lost(RedisNode&) override { refresh_soon(); }
  RedisTopologyState state() const override;

 private:
  using Time = RedisNode::Time;
  using NodePtr = std::shared_ptr<RedisNode>;

  NodePtr node_at(const Endpoint& at);
  void node_changed();
  void refresh_soon();
  void refresh_at(Time when);
  void refresh();
  NodePtr choose_informant();
  void take_map(const NodePtr& from, const RedisAnswer& answer);
  void use_map(const std::vector<RedisSlotRange>& ranges);
  void forget_unused();
  bool is_complete() const;
  bool is_any_coming() const;
  std::set<const RedisNode*> masters() const;

  const Setting setting_;
  const std::vector<Endpoint> seeds_;
  std::map<std::string, NodePtr> nodes_;  // by address: seeds, masters, where redirects pointed
  std::vector<NodePtr> slots_;            // none: nobody is known to serve it
  RetiredRedisNodes retired_;
  bool has_map_ = false, is_refreshing_ = false, is_closed_ = false;
  std::string why_ = "the map of slots is not known yet";
  std::size_t next_informant_ = 0;
  Time last_refresh_{}, next_refresh_{};
  EventLoop::TimerId timer_ = 0;
};

void RedisCluster::start() {
  for (const Endpoint& seed : seeds_) node_at(seed);
}

void RedisCluster::close() {
  is_closed_ = true;
  setting_.loop->cancel(timer_);
  for (const auto& [at, node] : nodes_) node->close("the service ends");
  retired_.close();
}

RedisCluster::NodePtr RedisCluster::node_at(const Endpoint& at) {
  const std::string name = at.to_string();
  if (const auto known = nodes_.find(name); known != nodes_.end()) return known->second;
  if (nodes_.size() >= kMaxRedisMasters + kMaxRedisServers) return nullptr;
  auto node =
      RedisNode::start(*setting_.loop, at, setting_.node, [this](RedisNode&) { node_changed(); });
  nodes_.emplace(name, node);
  return node;
}

void RedisCluster::node_changed() {
  if (!has_map_ || !is_complete()) refresh_soon();
  setting_.changed();
}

RedisPlace RedisCluster::place(int slot) {
  const NodePtr& node = slots_[static_cast<std::size_t>(slot)];
  if (!node) {
    if (has_map_) refresh_soon();
    return {nullptr, !has_map_ && is_any_coming(), has_map_ ? "no server for the slot" : why_};
  }
  if (node->standing(EventLoop::Steady::now()) == RedisNode::Standing::Down) refresh_soon();
  return {node, false, {}};
}

RedisPlace RedisCluster::place_at(const Endpoint& at) {
  return {node_at(at), false, "too many servers in the Cluster"};
}

void RedisCluster::told(RedisNode& by, RedisReaction reaction, const std::string& error) {
  if (reaction == RedisReaction::Ask || reaction == RedisReaction::Refuse) return;
  if (reaction == RedisReaction::Move)
    if (const auto redirect = parse_redis_redirect(error))
      if (const auto at = told_endpoint(redirect->host, redirect->port, by.at()))
        if (auto node = node_at(*at)) slots_[static_cast<std::size_t>(redirect->slot)] = node;
  refresh_soon();
}

void RedisCluster::refresh_soon() {
  refresh_at(std::max(EventLoop::Steady::now(), last_refresh_ + kRefreshAtMost));
}

void RedisCluster::refresh_at(Time when) {
  if (is_refreshing_ || (timer_ != 0 && next_refresh_ <= when)) return;
  setting_.loop->cancel(timer_);
  next_refresh_ = when;
  const auto left = std::chrono::ceil<Duration>(when - EventLoop::Steady::now());
  timer_ = setting_.loop->in(left, [this] {
    timer_ = 0;
    refresh();
  });
}

// Any server that is up, another one each time.
RedisCluster::NodePtr RedisCluster::choose_informant() {
  const Time now = EventLoop::Steady::now();
  auto at = nodes_.begin();
  std::advance(at, static_cast<std::ptrdiff_t>(next_informant_++ % nodes_.size()));
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const NodePtr node = at->second;
    if (node->standing(now) == RedisNode::Standing::Up) return node;
    if (++at == nodes_.end()) at = nodes_.begin();
  }
  return nullptr;
}

void RedisCluster::refresh() {
  last_refresh_ = EventLoop::Steady::now();
  const NodePtr from = choose_informant();
  if (!from) return refresh_at(last_refresh_ + kRefreshWhileBad);
  is_refreshing_ = true;
  from->send(redis_command({"CLUSTER", "SLOTS"}), last_refresh_ + setting_.node.timeout,
             [this, from](const RedisAnswer& answer) { take_map(from, answer); });
}

void RedisCluster::take_map(const NodePtr& from, const RedisAnswer& answer) {
  is_refreshing_ = false;
  if (is_closed_) return;
  if (answer.kind != RedisAnswer::Kind::Reply) return refresh_soon();
  const auto ranges = parse_redis_slots(answer.reply, from->at());
  if (ranges) {
    use_map(*ranges);
  } else {
    why_ = from->at().to_string() + ": " + ranges.error().what;
  }
  refresh_at(last_refresh_ + (ranges && is_complete() ? kRefreshAnyway : kRefreshWhileBad));
  setting_.changed();
}

void RedisCluster::use_map(const std::vector<RedisSlotRange>& ranges) {
  std::fill(slots_.begin(), slots_.end(), nullptr);
  for (const RedisSlotRange& range : ranges) {
    const NodePtr node = node_at(range.master);
    for (int slot = range.first; slot <= range.last; ++slot)
      slots_[static_cast<std::size_t>(slot)] = node;
  }
  has_map_ = true;
  forget_unused();
}

std::set<const RedisNode*> RedisCluster::masters() const {
  std::set<const RedisNode*> found;
  const RedisNode* last = nullptr;
  for (const NodePtr& node : slots_)
    if (node && node.get() != last) found.insert(last = node.get());
  return found;
}

// Seeds stay: they are who is asked when all others are gone.
void RedisCluster::forget_unused() {
  const auto used = masters();
  for (auto at = nodes_.begin(); at != nodes_.end();) {
    const bool is_seed = std::find(seeds_.begin(), seeds_.end(), at->second->at()) != seeds_.end();
    if (is_seed || used.count(at->second.get()) > 0) {
      ++at;
      continue;
    }
    retired_.retire(at->second);
    at = nodes_.erase(at);
  }
}

bool RedisCluster::is_complete() const {
  if (!has_map_ || std::find(slots_.begin(), slots_.end(), nullptr) != slots_.end()) return false;
  const Time now = EventLoop::Steady::now();
  const auto all = masters();
  return std::all_of(all.begin(), all.end(), [now](const RedisNode* node) {
    return node->standing(now) == RedisNode::Standing::Up;
  });
}

// Who is up, or may be so in a moment, can be asked for the map.
bool RedisCluster::is_any_coming() const {
  const Time now = EventLoop::Steady::now();
  return std::any_of(nodes_.begin(), nodes_.end(), [now](const auto& each) {
    return each.second->standing(now) != RedisNode::Standing::Down;
  });
}

RedisTopologyState RedisCluster::state() const {
  RedisTopologyState state;
  const Time now = EventLoop::Steady::now();
  const auto all = masters();
  for (const RedisNode* node : all)
    state.is_available = state.is_available || node->standing(now) == RedisNode::Standing::Up;
  state.is_complete = is_complete();
  state.what =
      has_map_ ? "cluster of " + std::to_string(all.size()) + " masters" : "cluster, " + why_;
  for (const auto& [at, node] : nodes_) {
    state.nodes.push_back(node->health());
    state.reconnects += node->reconnects();
  }
  return state;
}

}  // namespace

std::unique_ptr<RedisTopology> make_redis_cluster(const RedisTopology::Setting& setting,
                                                  std::vector<Endpoint> seeds) {
  return std::make_unique<RedisCluster>(setting, std::move(seeds));
}

}  // namespace sluice::backends
