#include "app/replay_store.h"

#include "backends/embedded_store.h"

namespace sluice::app {
namespace {

constexpr std::size_t kSweptAtATime = 12;
constexpr unsigned kKinds = 4;

const backends::EmbeddedOptions& caps() {
  static const backends::EmbeddedOptions options;
  return options;
}

}  // namespace

ReplayStore::ReplayStore(const Clock& clock)
    : clock_(clock),
      limits_({caps().max_limits, caps().max_values, caps().max_reservations, caps().max_settled}),
      greylist_({caps().max_first_seen, caps().max_passed, caps().max_auto_allowed}),
      lists_(caps().max_list_entries),
      seen_(caps().max_seen),
      changes_(greylist_.changes()) {
  changes_.insert(changes_.end(), {&limits_.changes(), &lists_.changes(), &seen_.changes()});
}

template <class Op>
backends::StateAnswer ReplayStore::apply(const Op& op, TimePoint now) {
  if constexpr (requires { limits_.apply(op, now); })
    return limits_.apply(op, now);
  else if constexpr (requires { greylist_.apply(op, now); })
    return greylist_.apply(op, now);
  else if constexpr (requires { lists_.apply(op, now); })
    return lists_.apply(op, now);
  else
    return seen_.apply(op, now);
}

// A little after each submission, of one kind at a time; what is waiting for a disk is dropped.
void ReplayStore::sweep(TimePoint now) {
  switch (turn_++ % kKinds) {
    case 0:
      limits_.sweep(now, kSweptAtATime);
      break;
    case 1:
      greylist_.sweep(now, kSweptAtATime);
      break;
    case 2:
      lists_.sweep(now, kSweptAtATime);
      break;
    default:
      seen_.sweep(now, kSweptAtATime);
      break;
  }
  for (backends::ChangeSource* source : changes_) source->discard_changes();
}

void ReplayStore::submit(std::vector<backends::StateOp> ops, backends::StateDone done) {
  std::vector<backends::StateAnswer> answers;
  answers.reserve(ops.size());
  const TimePoint now = clock_.now();
  for (const auto& op : ops)
    answers.push_back(std::visit([&](const auto& one) { return apply(one, now); }, op));
  sweep(now);
  done(std::move(answers));
}

}  // namespace sluice::app
