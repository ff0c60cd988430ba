// What any store answers to random operations, beside what the reference model answers.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <functional>

#include "random_operations.h"
#include "store_worlds.h"

namespace sluice::backends {

using ShownKey = std::function<std::string(const StateEntry&)>;

inline std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

inline std::string time_text(const std::optional<TimePoint>& t) {
  return t ? std::to_string(t->time_since_epoch().count()) : "-";
}

inline std::string text_of(const StateAnswer& a) {
  return fmt::format(
      "available {} unsure {} granted {} exceeded {} wait {} used {} committed {} greylist {} "
      "contained {} seen {} {}",
      a.available, a.unsure, a.granted, a.exceeded, a.wait.count(), a.used, a.by_committed_use,
      static_cast<int>(a.greylist), a.contained, time_text(a.first_seen), time_text(a.last_seen));
}

inline std::string text_of(const StateEntry& e) {
  const auto expires = e.kind == StateEntry::Kind::Limit ? 0 : e.expires.time_since_epoch().count();
  return fmt::format("{} {} used {} reserved {} period {} first {} expires {} {}", e.key, e.name,
                     e.used, e.reserved, e.period.count(), e.first.time_since_epoch().count(),
                     expires, e.state);
}

inline std::vector<std::string> content_of(StateStore& store, const ShownKey& shown) {
  std::vector<std::string> lines;
  for (const auto kind : {StateEntry::Kind::Limit, StateEntry::Kind::Greylist,
                          StateEntry::Kind::List, StateEntry::Kind::Seen}) {
    StateQuery query;
    query.kind = kind;
    query.limit = 10'000;
    for (auto entry : store.show(query)) {
      entry.key = shown(entry);
      lines.push_back(text_of(entry));
    }
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

// A store beside the reference model, on one clock: whatever one is asked the other is asked, too.
//
// `Tested` has: open(clock) that opens the store (again), `store`, and
//   kForgetsReservations  whether a new process finds what was reserved
//   key(entry)            as the store shows the key of an entry of the reference
template <class Tested>
struct Twins {
  VirtualClock clock{kStart};
  ReferenceStore reference{clock};
  Tested tested{clock};

  std::uint64_t granted = 0, refused = 0, passed = 0;

  StateStore& store() { return *tested.store; }
  void count(const StateOp& op, const StateAnswer& answer) {
    if (std::holds_alternative<Reserve>(op)) ++(answer.granted ? granted : refused);
    if (answer.greylist == GreylistState::Passed) ++passed;
  }
  void compare(std::vector<StateOp> ops) {
    // Something that no store can answer without looking at its clock.
    ops.emplace_back(Seen{"tick"});
    const auto expected = ask_all(reference, ops);
    const auto got = ask_all(store(), ops);
    for (std::size_t i = 0; i < ops.size(); ++i) {
      count(ops[i], got[i]);
      if (text_of(got[i]) == text_of(expected[i])) continue;
      CAPTURE(i, ops[i].index());
      REQUIRE(text_of(got[i]) == text_of(expected[i]));
    }
  }
  void compare_content() {
    const auto expected = content_of(reference, [&](const auto& e) { return tested.key(e); });
    const auto got = content_of(store(), [](const auto& e) { return e.key; });
    for (std::size_t i = 0; i < std::min(got.size(), expected.size()); ++i)
      REQUIRE(got[i] == expected[i]);
    REQUIRE(got.size() == expected.size());
  }
  void compare_administration(RandomOperations& random) {
    const auto filter = fmt::format("limit{}", random.below(6));
    if (random.one_in(2)) {
      CHECK(store().grant(filter, 3, minutes(9)) == reference.grant(filter, 3, minutes(9)));
      return;
    }
    const auto kind = static_cast<StateEntry::Kind>(random.below(4));
    const auto what =
        kind == StateEntry::Kind::Limit ? filter : fmt::format("g{}", random.below(9));
    CHECK(store().forget(kind, what) == reference.forget(kind, what));
  }
  void restart() {
    // The file knows the time of the last change only.
    compare({SeenRecord{"restart", hours(1)}});
    tested.open(clock);
    if (Tested::kForgetsReservations) reference.restart();
  }
};

// So many random operations, with clock jumps and restarts: each answer is that of the model.
template <class Tested>
void compare_with_the_model(std::uint64_t operations, std::uint64_t seed) {
  CAPTURE(seed);
  RandomOperations random(seed);
  Twins<Tested> twins;
  std::uint64_t done = 0, restarts = 0;
  while (done < operations) {
    CAPTURE(done);
    const auto ops = random.submission();
    twins.compare(ops);
    done += ops.size();
    twins.clock.advance(random.step());
    if (random.one_in(500)) twins.compare_content();
    if (random.one_in(400)) twins.compare_administration(random);
    if (random.one_in(4000)) {
      twins.restart();
      ++restarts;
    }
  }
  twins.compare_content();
  // The operations meet what they are meant to meet.
  CHECK(restarts >= operations / 40'000);
  CHECK(twins.granted > operations / 20);
  CHECK(twins.refused > operations / 20);
  CHECK(twins.passed > operations / 400);
}

}  // namespace sluice::backends
