// Random operations and clock jumps: the embedded store gives every answer of the reference model.
// SLUICE_STORE_OPS and SLUICE_STORE_SEED give the number of operations and the seed
// (scripts/prove-store).
#include <catch2/catch.hpp>
#include <cstdlib>

#include "random_operations.h"
#include "store_worlds.h"

namespace sluice::backends {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

std::string time_text(const std::optional<TimePoint>& t) {
  return t ? std::to_string(t->time_since_epoch().count()) : "-";
}

std::string text_of(const StateAnswer& a) {
  return fmt::format(
      "available {} unsure {} granted {} exceeded {} wait {} used {} committed {} greylist {} "
      "contained {} seen {} {}",
      a.available, a.unsure, a.granted, a.exceeded, a.wait.count(), a.used, a.by_committed_use,
      static_cast<int>(a.greylist), a.contained, time_text(a.first_seen), time_text(a.last_seen));
}

std::string text_of(const StateEntry& e) {
  const auto expires = e.kind == StateEntry::Kind::Limit ? 0 : e.expires.time_since_epoch().count();
  return fmt::format("{} {} used {} reserved {} period {} first {} expires {} {}", e.key, e.name,
                     e.used, e.reserved, e.period.count(), e.first.time_since_epoch().count(),
                     expires, e.state);
}

std::vector<std::string> content_of(StateStore& store) {
  std::vector<std::string> lines;
  for (const auto kind : {StateEntry::Kind::Limit, StateEntry::Kind::Greylist,
                          StateEntry::Kind::List, StateEntry::Kind::Seen}) {
    StateQuery query;
    query.kind = kind;
    for (const auto& entry : store.show(query)) lines.push_back(text_of(entry));
  }
  return lines;
}

struct Twins {
  VirtualClock clock{kStart};
  TemporaryFolder folder;
  ReferenceStore reference{clock};
  std::unique_ptr<EmbeddedStore> embedded = open_store(folder.path(), clock);

  std::uint64_t granted = 0, refused = 0, passed = 0;

  void count(const StateOp& op, const StateAnswer& answer) {
    if (std::holds_alternative<Reserve>(op)) ++(answer.granted ? granted : refused);
    if (answer.greylist == GreylistState::Passed) ++passed;
  }
  void compare(const std::vector<StateOp>& ops) {
    const auto expected = ask_all(reference, ops);
    const auto got = ask_all(*embedded, ops);
    for (std::size_t i = 0; i < ops.size(); ++i) {
      count(ops[i], got[i]);
      if (text_of(got[i]) == text_of(expected[i])) continue;
      CAPTURE(i, ops[i].index());
      REQUIRE(text_of(got[i]) == text_of(expected[i]));
    }
  }
  void compare_content() {
    const auto expected = content_of(reference), got = content_of(*embedded);
    for (std::size_t i = 0; i < std::min(got.size(), expected.size()); ++i)
      REQUIRE(got[i] == expected[i]);
    REQUIRE(got.size() == expected.size());
  }
  void compare_administration(RandomOperations& random) {
    const auto filter = fmt::format("limit{}", random.below(6));
    if (random.one_in(2)) {
      CHECK(embedded->grant(filter, 3, minutes(9)) == reference.grant(filter, 3, minutes(9)));
      return;
    }
    const auto kind = static_cast<StateEntry::Kind>(random.below(4));
    const auto what =
        kind == StateEntry::Kind::Limit ? filter : fmt::format("g{}", random.below(9));
    CHECK(embedded->forget(kind, what) == reference.forget(kind, what));
  }
  void restart() {
    // The file knows the time of the last change only.
    compare({SeenRecord{"restart", hours(1)}});
    embedded.reset();
    embedded = open_store(folder.path(), clock);
    reference.restart();
  }
};

TEST_CASE(
    "embedded store: gives the answers of the reference model to random operations, across "
    "restarts") {
  const auto operations = from_environment("SLUICE_STORE_OPS", 200'000);
  const auto seed = from_environment("SLUICE_STORE_SEED", 20'261'125);
  CAPTURE(seed);
  RandomOperations random(seed);
  Twins twins;
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

// By the definition and nothing else: what was let through, by the real time that passed, whatever
// the clock showed.
TEMPLATE_TEST_CASE("limits: never one more than the count in any window, whatever the clock does",
                   "[store]", STORE_WORLDS) {
  IN_WORLD(w);
  RandomOperations random(3);
  const std::vector<Window> windows{{7, s(10)}, {25, minutes(2)}};
  Duration real{0};
  std::vector<Duration> admitted;
  std::size_t refused = 0;
  for (ReservationId id = 1; id <= 10'000; ++id) {
    const auto op = reserve(id, "k", windows);
    if (ask(w.store, op).granted) {
      ask(w.store, commit(op));
      admitted.push_back(real);
    } else {
      ++refused;
    }
    auto step = ms(static_cast<std::int64_t>(random.below(1500)));
    if (random.one_in(100)) step = -ms(static_cast<std::int64_t>(random.below(3'600'000)));
    w.clock.advance(step);
    real += std::max(step, Duration{0});
  }
  REQUIRE(refused > 500);
  for (const auto& window : windows) {
    const auto count = static_cast<std::size_t>(window.count);
    std::size_t densest = 0;
    for (std::size_t i = count; i < admitted.size(); ++i) {
      if (admitted[i] - admitted[i - count] < window.period) ++densest;
    }
    CHECK(densest == 0);
  }
}

}  // namespace
}  // namespace sluice::backends
