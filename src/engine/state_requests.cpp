#include "engine/state_requests.h"

#include <chrono>
#include <utility>

namespace sluice::engine {

using backends::StateAnswer;
using backends::StateOp;

namespace {

StateAnswer away() {
  StateAnswer answer;
  answer.available = false;
  answer.granted = false;
  return answer;
}

std::int64_t since_us(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() -
                                                               start)
      .count();
}

}  // namespace

StateSlotPtr StateRequests::ask(StateOp op) {
  auto slot = std::make_shared<StateSlot>();
  if (store_ == nullptr) {
    slot->answer = away();
    was_away_ = true;
    return slot;
  }
  if (!open_) open_ = std::make_unique<Open>();
  open_->queue.push_back(std::move(op));
  open_->queued_slots.push_back(slot);
  return slot;
}

std::optional<StateAnswer> StateRequests::reserve_at_once(const backends::Reserve& asked) {
  // In the order asked: what is queued goes first.
  if (at_once_ == nullptr || is_queued()) return std::nullopt;
  const auto start = std::chrono::steady_clock::now();
  auto answer = at_once_->reserve_at_once(asked);
  if (!answer) return answer;
  waited_us_ += since_us(start);
  if (!answer->available) was_away_ = true;
  return answer;
}

bool StateRequests::commit_at_once(std::span<const backends::Reserve* const> reserved) {
  if (at_once_ == nullptr) return false;
  flush();
  return at_once_->commit_at_once(reserved);
}

void StateRequests::flush() {
  if (!is_queued()) return;
  Batch batch;
  batch.slots = std::exchange(open_->queued_slots, {});
  for (const StateOp& op : open_->queue) {
    if (store_->answers_at_once()) break;
    if (const auto* reserve = std::get_if<backends::Reserve>(&op))
      batch.give_back.emplace_back(backends::Release{reserve->id, reserve->key});
  }
  auto done = [reply = batch.reply,
               start = std::chrono::steady_clock::now()](std::vector<StateAnswer> answers) {
    reply->deliver(Reply{std::move(answers), since_us(start)});
  };
  store_->submit(std::exchange(open_->queue, {}), std::move(done));
  open_->batches.push_back(std::move(batch));
  collect();
}

void StateRequests::fill(const Batch& batch, const Reply& reply) {
  waited_us_ += reply.took_us;
  for (std::size_t i = 0; i < batch.slots.size(); ++i) {
    batch.slots[i]->answer = i < reply.answers.size() ? reply.answers[i] : away();
    if (!batch.slots[i]->answer->available) was_away_ = true;
  }
}

bool StateRequests::collect() {
  bool filled = false;
  if (!open_) return filled;
  std::erase_if(open_->batches, [&](const Batch& batch) {
    const Reply* reply = batch.reply->get();
    if (reply == nullptr) return false;
    fill(batch, *reply);
    return filled = true;
  });
  if (open_->batches.empty() && open_->queue.empty()) open_.reset();
  return filled;
}

void StateRequests::await(const std::shared_ptr<Round>& round) {
  if (!open_) return;
  for (const Batch& batch : open_->batches) {
    auto arrived = round->expect();
    if (!batch.reply->await([arrived] { arrived({}); })) arrived({});
  }
}

void StateRequests::give_up() {
  if (!open_) return;
  std::vector<StateOp> give_back;
  for (Batch& batch : open_->batches) {
    for (const StateSlotPtr& slot : batch.slots) slot->answer = away();
    for (StateOp& op : batch.give_back) give_back.push_back(std::move(op));
    was_away_ = true;
  }
  open_->batches.clear();
  settle(std::move(give_back));
}

void StateRequests::settle(std::vector<StateOp> ops) {
  if (ops.empty() || store_ == nullptr) return;
  flush();
  store_->submit(std::move(ops), [](std::vector<StateAnswer>) {});
}

}  // namespace sluice::engine
