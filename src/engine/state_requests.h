// StateRequests: the operations of one session on its way to the state store. Everything that one
// pass over the rules asks goes out as one submission; answers come back into slots.
//
// Threads: the session's. The store completes from its own threads into batches that outlive the
// session.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "backends/reserves_at_once.h"
#include "backends/state_store.h"
#include "engine/lookup.h"
#include "engine/round.h"

namespace sluice::engine {

// Where one answer will stand.
struct StateSlot {
  std::optional<backends::StateAnswer> answer;
};
using StateSlotPtr = std::shared_ptr<StateSlot>;

class StateRequests {
 public:
  // A null store answers everything with "away".
  explicit StateRequests(backends::StateStore* store)
      : store_(store), at_once_(dynamic_cast<backends::ReservesAtOnce*>(store)) {}

  // Queued until flush().
  StateSlotPtr ask(backends::StateOp op);
  // The answer of a store in memory; the reservation stays the caller's. nullopt: ask().
  std::optional<backends::StateAnswer> reserve_at_once(const backends::Reserve& asked);
  // Commits what was reserved, behind everything asked before, in a store in memory. False: not
  // done, settle() it.
  bool commit_at_once(std::span<const backends::Reserve* const> reserved);
  // Sends what is queued as one submission; a store that answers inline has filled the slots when
  // this returns.
  void flush();
  // Takes what came since. True when some slot was filled.
  bool collect();
  // Tells the round to wait for every open submission.
  void await(const std::shared_ptr<Round>& round);
  bool is_waiting() const { return open_ && !open_->batches.empty(); }
  // At the deadline, or at the end: open slots become "away", and what was asked to be reserved is
  // given back.
  void give_up();
  // Sent at once, behind everything asked before; nobody waits for the answer.
  void settle(std::vector<backends::StateOp> ops);

  std::int64_t waited_us() const { return waited_us_; }  // of all submissions since the last take
  bool was_away() const { return was_away_; }
  void begin_event() {
    waited_us_ = 0;
    was_away_ = false;
  }

 private:
  struct Reply {
    std::vector<backends::StateAnswer> answers;
    std::int64_t took_us = 0;
  };
  struct Batch {
    std::shared_ptr<Lookup<Reply>> reply = std::make_shared<Lookup<Reply>>();
    std::vector<StateSlotPtr> slots;
    std::vector<backends::StateOp> give_back;
  };
  // What was asked and has no answer yet; not there when there is nothing.
  struct Open {
    std::vector<backends::StateOp> queue;
    std::vector<StateSlotPtr> queued_slots;
    std::vector<Batch> batches;
  };
  bool is_queued() const { return open_ && !open_->queue.empty(); }
  void fill(const Batch& batch, const Reply& reply);

  backends::StateStore* store_;
  backends::ReservesAtOnce* at_once_;  // the same store, if it can
  std::unique_ptr<Open> open_;
  std::int64_t waited_us_ = 0;
  bool was_away_ = false;
};

}  // namespace sluice::engine
