// What an embedded store has kept is in Redis afterwards: the same answers, the same things to show.
#include "backends/state_transfer.h"

#include <catch2/catch.hpp>

#include "store_twins.h"

namespace sluice::backends {
namespace {

std::string redis_key(const RedisStore& store, const StateEntry& entry) {
  if (entry.kind == StateEntry::Kind::List) return entry.key;
  if (entry.kind == StateEntry::Kind::Limit) return store.shown_key(RedisKind::Limit, entry.key);
  if (entry.kind == StateEntry::Kind::Seen) return store.shown_key(RedisKind::Seen, entry.key);
  return store.shown_key(entry.state == "allowed" ? RedisKind::AutoAllow : RedisKind::Greylist,
                         entry.key);
}

// Reservations stay behind: only what has been used is asked for.
std::vector<StateOp> questions() {
  std::vector<StateOp> ops;
  for (int key = 0; key < 6; ++key) {
    const auto name = "limit" + std::to_string(key);
    for (const auto period : {ms(900), ms(1001), s(10), minutes(1), minutes(7), hours(1)}) {
      ops.emplace_back(peek(reserve(0, name, {{5, period}})));
      for (int value = 0; value < 9; ++value)
        ops.emplace_back(
            peek(reserve_value(0, name, {{3, period}}, "value" + std::to_string(value))));
    }
    ops.emplace_back(peek(reserve_tokens(0, name, {5, {10, minutes(1)}})));
    ops.emplace_back(peek(reserve_tokens(0, name, {5, {7, hours(1)}})));
  }
  for (int key = 0; key < 9; ++key)
    ops.emplace_back(
        GreylistLook{"g" + std::to_string(key), "auto" + std::to_string(key % 2), minutes(5), hours(1)});
  for (int key = 0; key < 6; ++key) ops.emplace_back(Seen{"seen" + std::to_string(key)});
  return ops;
}

TEST_CASE("state transfer: what the embedded store has kept is in Redis, and only once", "[redis]") {
  if (const char* missing = RedisSingle::missing()) {
    WARN(missing);
    return;
  }
  const auto seed = GENERATE(1u, 2u, 3u);
  CAPTURE(seed);
  RedisSingle w;
  TemporaryFolder folder;
  RandomOperations random(seed);
  auto embedded = open_store(folder.path(), w.clock);
  for (int i = 0; i < 2'000; ++i) {
    ask_all(*embedded, random.submission());
    // Without steps back: the file keeps times of the store, which is then ahead of the clock.
    w.clock.advance(std::max(ms(0), random.step() / 10));
  }
  embedded.reset();
  embedded = open_store(folder.path(), w.clock);
  const auto expected_content =
      content_of(*embedded, [&](const auto& e) { return redis_key(*w.opened, e); });
  const auto ops = questions();
  const auto expected = ask_all(*embedded, ops);
  embedded.reset();

  std::uint64_t told = 0;
  const auto moved = transfer_state(folder.path(), w.clock, *w.opened,
                                    [&](const TransferCounts& counts) { told = counts.read; });
  REQUIRE(moved);
  CHECK(moved->read > 20);
  CHECK(moved->taken == moved->read);
  CHECK(told == moved->read);
  const auto got = ask_all(w.store, ops);
  for (std::size_t i = 0; i < ops.size(); ++i) {
    CAPTURE(i, ops[i].index());
    CHECK(text_of(got[i]) == text_of(expected[i]));
  }
  CHECK(content_of(w.store, [](const auto& e) { return e.key; }) == expected_content);

  // Again: nothing changes.
  const auto again = transfer_state(folder.path(), w.clock, *w.opened, {});
  REQUIRE(again);
  CHECK(content_of(w.store, [](const auto& e) { return e.key; }) == expected_content);
}

TEST_CASE("state transfer: a folder in use, or without state, is told", "[redis]") {
  if (const char* missing = RedisSingle::missing()) {
    WARN(missing);
    return;
  }
  RedisSingle w;
  TemporaryFolder folder;
  CHECK(transfer_state(folder.path(), w.clock, *w.opened, {}).error().cause == Cause::Config);
  const auto embedded = open_store(folder.path(), w.clock);
  const auto moved = transfer_state(folder.path(), w.clock, *w.opened, {});
  REQUIRE_FALSE(moved);
  CHECK(moved.error().what.find("another process uses this state") != std::string::npos);
}

}  // namespace
}  // namespace sluice::backends
