// A master that Sentinels watch. Their majority says where it is, the server itself must agree
// (ROLE), and a replica that was asked by mistake names its master: during a failover that is not
// made by the Sentinels they know of the new one half a minute late.
#include <map>
#include <tuple>
#include <utility>

#include "backends/redis_sentinel.h"
#include "backends/redis_topology.h"

namespace sluice::backends {
namespace {

constexpr Duration kAskEvery{1'000};
constexpr Duration kAskWhileBad{100};
constexpr int kMaxFollowed = 3;  // replicas that name another master, one after the other

class RedisSentinels final : public RedisTopology {
 public:
  RedisSentinels(const Setting& setting, std::vector<Endpoint> sentinels, std::string master)
      : setting_(setting), addresses_(std::move(sentinels)), name_(std::move(master)) {}

  void start() override;
  void close() override;
  RedisPlace place(int slot) override;
  RedisPlace place_at(const Endpoint& at) override;
  void told(RedisNode& by, RedisReaction reaction, const std::string& error) override;
  void lost(RedisNode&) override { ask_soon(); }
  RedisTopologyState state() const override;

 private:
  using NodePtr = std::shared_ptr<RedisNode>;
  // One question to all Sentinels.
  struct Round {
    std::map<std::string, std::pair<Endpoint, std::size_t>> votes;  // by address
    std::size_t answers = 0;
    bool is_decided = false;
  };

  void ask_all();
  void ask_soon();
  void ask_in(Duration wait);
  void count(const std::shared_ptr<Round>& round, const RedisSentinel& by,
             const SentinelAnswer& answer);
  void switched(const Endpoint& master);
  void consider(const Endpoint& master, int followed);
  void drop_candidate();
  void node_changed(RedisNode& node);
  void candidate_spoke();
  void use_candidate();
  bool is_master_well() const;
  std::string why() const;

  const Setting setting_;
  const std::vector<Endpoint> addresses_;
  const std::string name_;
  std::vector<std::unique_ptr<RedisSentinel>> sentinels_;
  NodePtr master_, candidate_;  // candidate: named, but has not yet said that it is one
  RetiredRedisNodes retired_;
  int followed_ = 0;  // on the way to the candidate
  bool is_asking_ = false, was_asked_ = false, is_closed_ = false;
  std::string why_ = "no Sentinel has answered yet";
  EventLoop::Steady::time_point last_asked_{};
  std::uint64_t past_reconnects_ = 0;
  EventLoop::TimerId timer_ = 0;
};

void RedisSentinels::start() {
  for (const Endpoint& at : addresses_) {
    sentinels_.push_back(
        std::make_unique<RedisSentinel>(*setting_.loop, at, name_, setting_.node,
                                        [this](const Endpoint& master) { switched(master); }));
    sentinels_.back()->listen();
  }
  ask_all();
}

void RedisSentinels::close() {
  is_closed_ = true;
  setting_.loop->cancel(timer_);
  for (const auto& sentinel : sentinels_) sentinel->close();
  for (const NodePtr& node : {master_, candidate_})
    if (node) node->close("the service ends");
  retired_.close();
}

bool RedisSentinels::is_master_well() const {
  return master_ && master_->role().kind != RedisRole::Kind::Replica &&
         master_->standing(EventLoop::Steady::now()) == RedisNode::Standing::Up;
}

RedisPlace RedisSentinels::place(int) {
  if (master_ && master_->role().kind != RedisRole::Kind::Replica)
    return {master_, candidate_ != nullptr, {}};
  return {nullptr, candidate_ != nullptr || !was_asked_, why()};
}

RedisPlace RedisSentinels::place_at(const Endpoint&) {
  return {nullptr, false, "the master belongs to a Cluster; redis.cluster names its nodes"};
}

std::string RedisSentinels::why() const {
  if (master_ && master_->role().kind == RedisRole::Kind::Replica)
    return master_->at().to_string() + " is no master any more, another is not known yet";
  return why_;
}

void RedisSentinels::told(RedisNode& by, RedisReaction reaction, const std::string&) {
  if (reaction == RedisReaction::Follow) by.assume_replica();
  if (reaction != RedisReaction::Refuse) ask_soon();
}

void RedisSentinels::ask_in(Duration wait) {
  setting_.loop->cancel(timer_);
  timer_ = setting_.loop->in(wait, [this] {
    timer_ = 0;
    ask_all();
  });
}

void RedisSentinels::ask_soon() {
  if (is_asking_ || is_closed_) return;
  const auto due = last_asked_ + kAskWhileBad - EventLoop::Steady::now();
  ask_in(std::chrono::ceil<Duration>(due));
}

void RedisSentinels::ask_all() {
  is_asking_ = true;
  last_asked_ = EventLoop::Steady::now();
  const auto round = std::make_shared<Round>();
  for (const auto& sentinel : sentinels_)
    sentinel->ask([this, round, by = sentinel.get()](const SentinelAnswer& answer) {
      count(round, *by, answer);
    });
}

// Decided as soon as more than half of all say the same; when all have spoken, by the most.
void RedisSentinels::count(const std::shared_ptr<Round>& round, const RedisSentinel& by,
                           const SentinelAnswer& answer) {
  ++round->answers;
  if (answer.master) {
    auto& vote =
        round->votes.try_emplace(answer.master->to_string(), *answer.master, 0).first->second;
    ++vote.second;
    if (vote.second * 2 > sentinels_.size() && !std::exchange(round->is_decided, true))
      consider(vote.first, 0);
  } else {
    why_ = "Sentinel " + by.at().to_string() + ": " + answer.why;
  }
  if (round->answers < sentinels_.size()) return;
  is_asking_ = false;
  was_asked_ = true;
  const Endpoint* best = nullptr;
  std::size_t most = 0;
  for (const auto& [text, vote] : round->votes)
    if (vote.second > most) std::tie(best, most) = std::tuple(&vote.first, vote.second);
  if (best != nullptr && !round->is_decided) consider(*best, 0);
  ask_in(is_master_well() ? kAskEvery : kAskWhileBad);
  if (best == nullptr) setting_.changed();
}

// Fresh news: whoever else was about to be tried is out.
void RedisSentinels::switched(const Endpoint& master) {
  if (candidate_ && candidate_->at() != master) drop_candidate();
  consider(master, 0);
}

// One at a time, each for as long as a connection may take; what is named meanwhile is named again.
void RedisSentinels::consider(const Endpoint& master, int followed) {
  if (candidate_) return;
  if (master_ && master_->at() == master && master_->role().kind != RedisRole::Kind::Replica)
    return;
  followed_ = followed;
  candidate_ = RedisNode::start(*setting_.loop, master, setting_.node,
                                [this](RedisNode& node) { node_changed(node); });
}

void RedisSentinels::drop_candidate() {
  if (const auto old = std::exchange(candidate_, nullptr)) old->close("not the master");
}

void RedisSentinels::node_changed(RedisNode& node) {
  if (&node == candidate_.get()) {
    candidate_spoke();
  } else if (&node == master_.get()) {
    if (node.role().kind == RedisRole::Kind::Replica && node.role().master)
      consider(*node.role().master, 1);
    if (!is_master_well()) ask_soon();
  }
  setting_.changed();
}

void RedisSentinels::candidate_spoke() {
  if (!candidate_->health().connected) {
    // It is tried again when it is named again.
    why_ = candidate_->at().to_string() + ": " + candidate_->why();
    return drop_candidate();
  }
  const RedisRole role = candidate_->role();
  if (role.kind != RedisRole::Kind::Replica) return use_candidate();
  why_ = candidate_->at().to_string() + " is named as the master, but is a replica";
  drop_candidate();
  if (role.master && followed_ < kMaxFollowed) consider(*role.master, followed_ + 1);
}

void RedisSentinels::use_candidate() {
  setting_.log("redis: master of " + name_ + " is " + candidate_->at().to_string() +
               (master_ ? ", no longer " + master_->at().to_string() : std::string()));
  if (master_) {
    past_reconnects_ += master_->reconnects() + 1;
    retired_.retire(master_);
  }
  master_ = std::exchange(candidate_, nullptr);
}

RedisTopologyState RedisSentinels::state() const {
  RedisTopologyState state;
  state.is_available = state.is_complete = is_master_well();
  std::size_t listening = 0;
  for (const auto& sentinel : sentinels_) listening += sentinel->is_listening() ? 1 : 0;
  state.what = (master_ ? "master " + master_->at().to_string() : "no master of " + name_) + ", " +
               std::to_string(listening) + " of " + std::to_string(sentinels_.size()) +
               " Sentinels listened to";
  if (!master_) state.what += ", " + why_;
  state.reconnects = past_reconnects_;
  for (const NodePtr& node : {master_, candidate_}) {
    if (!node) continue;
    state.nodes.push_back(node->health());
    state.reconnects += node->reconnects();
  }
  return state;
}

}  // namespace

std::unique_ptr<RedisTopology> make_redis_sentinels(const RedisTopology::Setting& setting,
                                                    std::vector<Endpoint> sentinels,
                                                    std::string master) {
  return std::make_unique<RedisSentinels>(setting, std::move(sentinels), std::move(master));
}

}  // namespace sluice::backends
