// How RedisCaller's calls go out: joined, in waves.
#include <algorithm>
#include <optional>
#include <utility>

#include "backends/redis_caller.h"
#include "backends/redis_command.h"
#include "backends/redis_joined.h"

namespace sluice::backends {

// Calls that wait for their turn or are on the way.
std::size_t RedisCaller::load(const RedisNode& node) const {
  const auto lane = lanes_.find(&node);
  return lane == lanes_.end() ? 0 : lane->second.queue.size() + lane->second.on_the_way;
}

void RedisCaller::enqueue(const RunPtr& run, const NodePtr& node) {
  Lane& lane = lanes_[node.get()];
  lane.node = node;
  // ASKING is for one command; a probe must not wait, it is what others wait for.
  if (run->is_asking || !node->is_well()) {
    auto parcel = std::make_shared<Parcel>();
    parcel->runs = {run};
    parcel->node = node;
    return send(parcel);
  }
  lane.is_urgent = lane.is_urgent || !run->call.head || run->was_sent;
  lane.queue.push_back(run);
}

void RedisCaller::flush() {
  for (auto at = lanes_.begin(); at != lanes_.end();) {
    Lane& lane = at->second;
    flush(lane);
    const bool is_idle = lane.queue.empty() && lane.on_the_way == 0 && lane.waves == 0;
    at = is_idle ? lanes_.erase(at) : std::next(at);
  }
}

void RedisCaller::flush(Lane& lane) {
  if (lane.queue.empty()) return;
  if (is_closing_ || !lane.node->is_well()) {
    for (const RunPtr& run : std::exchange(lane.queue, {})) dispatch(run);
    return;
  }
  if (lane.waves >= kMaxRedisWaves && !lane.is_urgent && lane.queue.size() < kMaxJoinedCalls)
    return;
  const auto parcels = join_queue(lane);
  lane.is_urgent = false;
  if (parcels.empty()) return;
  ++lane.waves;
  const auto wave = std::make_shared<Wave>();
  wave->missing = parcels.size();
  for (const ParcelPtr& parcel : parcels) {
    parcel->wave = wave;
    send(parcel);
  }
}

// Calls of one subject stay in their order: they are in one slot.
std::vector<RedisCaller::ParcelPtr> RedisCaller::join_queue(Lane& lane) {
  struct Open {
    ParcelPtr parcel;
    RedisJoin joined;
  };
  constexpr int kAnySlot = -1;
  std::map<int, Open> open;  // by slot
  std::vector<ParcelPtr> parcels;
  const Time now = EventLoop::Steady::now();
  for (const RunPtr& run : std::exchange(lane.queue, {})) {
    if (now >= run->deadline) {
      leave(run, RedisOutcome::NotDone, lane.node->at().to_string() + ": no time left");
      continue;
    }
    const bool goes_alone = !run->call.head || run->goes_alone || is_divided(run->slot, now);
    const int slot = joins_slots_ ? kAnySlot : run->slot;
    const auto with = goes_alone ? open.end() : open.find(slot);
    if (with != open.end() && with->second.joined.takes(run->call)) {
      with->second.joined.add(run->call);
      with->second.parcel->runs.push_back(run);
      continue;
    }
    auto parcel = std::make_shared<Parcel>();
    parcel->runs = {run};
    parcel->node = lane.node;
    if (!goes_alone) open.insert_or_assign(slot, Open{parcel, RedisJoin(run->call)});
    parcels.push_back(std::move(parcel));
  }
  return parcels;
}

void RedisCaller::send(const ParcelPtr& parcel) {
  lanes_[parcel->node.get()].on_the_way += parcel->runs.size();
  for (const RunPtr& run : parcel->runs) run->was_sent = true;
  transmit(parcel);
}

void RedisCaller::transmit(const ParcelPtr& parcel) {
  const auto& runs = parcel->runs;
  std::vector<const RedisCall*> calls;
  Time deadline = runs.front()->deadline;
  for (const RunPtr& run : runs) {
    calls.push_back(&run->call);
    deadline = std::min(deadline, run->deadline);
  }
  ++counts_.sent;
  if (runs.front()->is_asking)
    parcel->node->send(redis_command({"ASKING"}), deadline, [](const auto&) {});
  parcel->node->send(redis_script_command(calls, parcel->is_in_full), deadline,
                     [this, parcel](RedisAnswer answer) { answered(parcel, std::move(answer)); });
}

void RedisCaller::answered(const ParcelPtr& parcel, RedisAnswer answer) {
  const bool is_reply = answer.kind == RedisAnswer::Kind::Reply;
  const bool is_error = is_reply && answer.reply.kind == RedisReply::Kind::Error;
  if (is_error && !parcel->is_in_full &&
      redis_reaction(answer.reply.text) == RedisReaction::SendScript) {
    parcel->is_in_full = true;
    parcel->node->succeeded();
    ++counts_.scripts_sent;
    return transmit(parcel);
  }
  arrived(*parcel);
  if (is_error) {
    take_error(parcel, answer.reply);
  } else if (is_reply) {
    take_reply(*parcel, std::move(answer.reply));
  } else {
    for (const RunPtr& run : parcel->runs) failed(run, parcel->node, answer);
  }
  flush();
}

void RedisCaller::arrived(const Parcel& parcel) {
  Lane& lane = lanes_[parcel.node.get()];
  lane.node = parcel.node;
  lane.on_the_way -= parcel.runs.size();
  if (parcel.wave && --parcel.wave->missing == 0) --lane.waves;
}

void RedisCaller::take_reply(const Parcel& parcel, RedisReply reply) {
  const bool is_joined = parcel.runs.front()->call.head.has_value();
  std::vector<RedisReply> replies(parcel.runs.size());
  if (!is_joined) {
    replies.front() = std::move(reply);
  } else if (auto parts = split_joined_reply(std::move(reply), parcel.runs.size())) {
    replies = std::move(*parts);
  } else {
    for (RedisReply& each : replies) {
      each.kind = RedisReply::Kind::Error;
      each.text = "ERR " + parts.error().what;
    }
  }
  for (std::size_t i = 0; i < parcel.runs.size(); ++i) {
    if (replies[i].kind == RedisReply::Kind::Error) {
      react(parcel.runs[i], parcel.node, std::move(replies[i]));
    } else {
      parcel.node->succeeded();
      answer(parcel.runs[i], std::move(replies[i]));
    }
  }
}

// What is an error of the joined call only is not one of its calls: they go again, each by itself.
// On a slot that is on its way some of them may be answered here and some there.
void RedisCaller::take_error(const ParcelPtr& parcel, const RedisReply& error) {
  const RedisReaction reaction = redis_reaction(error.text);
  const bool is_of_slots = reaction == RedisReaction::TryAgain || reaction == RedisReaction::Misuse;
  if (parcel->runs.size() == 1 || !is_of_slots) {
    for (const RunPtr& run : parcel->runs) react(run, parcel->node, error);
    return;
  }
  if (reaction == RedisReaction::Misuse) joins_slots_ = false;  // a Cluster behind one address
  parcel->node->succeeded();
  for (const RunPtr& run : parcel->runs) {
    run->goes_alone = true;
    dispatch(run);
  }
}

}  // namespace sluice::backends
