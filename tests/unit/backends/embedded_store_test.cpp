// What only the embedded store promises: restarts, caps, a failing disk, many threads.
#include "backends/embedded_store.h"

#include <sqlite3.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <thread>

#include "random_operations.h"
#include "store_worlds.h"

namespace sluice::backends {
namespace {

using Catch::Matchers::Contains;

const std::vector<Window> kHundred{{100, hours(1)}};

void use(StateStore& store, const Reserve& op) {
  ask(store, op);
  ask(store, commit(op));
}

std::int64_t used(StateStore& store, const Reserve& op) { return ask(store, peek(op)).used; }

// By a connection of its own, as an administrator may.
int run_sql(const std::filesystem::path& folder, const std::string& sql) {
  sqlite3* db = nullptr;
  sqlite3_open((folder / "state.db").c_str(), &db);
  const int result = sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr);
  sqlite3_close(db);
  return result;
}

TEST_CASE("embedded store: reservations committed on the spot are used, once, and on disk") {
  EmbeddedWorld w;
  EmbeddedStore& store = w.store;
  const auto first = reserve(1, "k", kHundred, 7), second = reserve(2, "other", kHundred, 3);
  const auto value = reserve_value(3, "values", kHundred, "a");
  const std::vector<const Reserve*> all{&first, &second, &value};
  for (const Reserve* one : all) CHECK(store.reserve_at_once(*one)->granted);
  for (int times = 0; times < 2; ++times) CHECK(store.commit_at_once(all));
  ask(store, commit(first));
  CHECK(used(store, first) == 7);
  // Counted again before its row expires otherwise, and then in another sub-window.
  for (const auto wait : {ms(0), minutes(7)}) {
    w.clock.advance(wait);
    use(store, reserve(wait == ms(0) ? 4 : 5, "k", kHundred, 10));
    CHECK(store.flush(s(60)));
  }
  w.opened.reset();
  const auto again = open_store(w.folder.path(), w.clock);
  CHECK(used(*again, first) == 27);
  CHECK(used(*again, second) == 3);
  CHECK(used(*again, value) == 1);
}

TEST_CASE("embedded store: everything but reservations survives a restart") {
  EmbeddedWorld w;
  const Bucket bucket{10, {10, hours(1)}};
  const auto value = reserve_value(3, "values", kHundred, "a");
  use(w.store, reserve(1, "k", kHundred, 7));
  use(w.store, reserve_tokens(2, "bucket", bucket, 4));
  use(w.store, value);
  ask(w.store, reserve(4, "k", kHundred, 20));
  ask(w.store, GreylistRecord{"first", "first", hours(1)});
  ask(w.store, GreylistPromote{"passed", "passed", hours(9), "host", 1, hours(2)});
  ask(w.store, ListAdd{"nets", "net", Network::parse("192.0.2.0/24"), hours(3)});
  ask(w.store, ListAdd{"nets", "word", {}, {}});
  ask(w.store, SeenRecord{"seen", hours(1)});
  CHECK(w.store.grant("limit k", 5, hours(1)) == 1);

  w.opened.reset();
  w.clock.advance(minutes(1));
  const auto again = open_store(w.folder.path(), w.clock);
  auto& store = *again;
  CHECK(used(store, reserve(9, "k", kHundred)) == 7);
  CHECK(ask(store, peek(reserve(9, "k", kHundred, 98))).granted);
  CHECK_FALSE(ask(store, peek(reserve(9, "k", kHundred, 99))).granted);
  CHECK(used(store, reserve_tokens(9, "bucket", bucket)) == 4);
  CHECK(ask(store, peek(reserve_value(9, "values", {{1, hours(1)}}, "a"))).granted);
  CHECK_FALSE(ask(store, peek(reserve_value(9, "values", {{1, hours(1)}}, "b"))).granted);
  CHECK(ask(store, GreylistLook{"first", "", minutes(1), hours(1)}).greylist ==
        GreylistState::Ready);
  CHECK(ask(store, GreylistLook{"passed", "", minutes(1), hours(1)}).greylist ==
        GreylistState::Passed);
  CHECK(ask(store, GreylistLook{"new", "host", minutes(1), hours(1)}).greylist ==
        GreylistState::AutoAllowed);
  CHECK(ask(store, ListContains{"nets", "192.0.2.9", IpAddress::parse("192.0.2.9")}).contained);
  CHECK(ask(store, ListContains{"nets", "word", {}}).contained);
  CHECK(ask(store, Seen{"seen"}).first_seen == kStart);
}

TEST_CASE("embedded store: what was removed, reset or forgotten does not come back") {
  EmbeddedWorld w;
  use(w.store, reserve(1, "k", kHundred, 7));
  ask(w.store, ListAdd{"list", "a", {}, {}});
  ask(w.store, GreylistPromote{"g", "g", hours(9), "", 0, hours(0)});
  REQUIRE(w.store.flush(s(90)));
  ask(w.store, ListRemove{"list", "a"});
  w.store.forget(StateEntry::Kind::Limit, "");
  w.store.forget(StateEntry::Kind::Greylist, "");
  use(w.store, reserve(2, "k", kHundred, 2));
  w.opened.reset();
  const auto again = open_store(w.folder.path(), w.clock);
  CHECK(used(*again, reserve(3, "k", kHundred)) == 2);
  CHECK_FALSE(ask(*again, ListContains{"list", "a", {}}).contained);
  CHECK(ask(*again, GreylistLook{"g", "", s(1), hours(1)}).greylist == GreylistState::Unknown);
}

TEST_CASE("embedded store: time does not go back over a restart") {
  EmbeddedWorld w;
  use(w.store, reserve(1, "k", {{1, minutes(10)}}));
  w.opened.reset();
  w.clock.advance(-hours(5));
  const auto again = open_store(w.folder.path(), w.clock);
  CHECK(ask(*again, peek(reserve(2, "k", {{1, minutes(10)}}))).wait == minutes(10));
}

TEST_CASE("embedded store: the file says what it holds to sqlite3, and nobody else may read it") {
  EmbeddedWorld w;
  use(w.store, reserve(1, "k", kHundred, 7));
  w.opened.reset();
  CHECK(run_sql(w.folder.path(), "SELECT name, used, expires FROM limits") == SQLITE_OK);
  const auto permissions = std::filesystem::status(w.folder.path() / "state.db").permissions();
  CHECK((permissions & (std::filesystem::perms::group_all | std::filesystem::perms::others_all)) ==
        std::filesystem::perms::none);
}

TEST_CASE("embedded store: refuses a file that a newer version wrote, and leaves it alone") {
  EmbeddedWorld w;
  w.opened.reset();
  REQUIRE(run_sql(w.folder.path(), "UPDATE meta SET value = 99 WHERE name = 'schema'") ==
          SQLITE_OK);
  for (int i = 0; i < 2; ++i) {
    const auto refused = EmbeddedStore::open(w.folder.path(), w.clock);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().cause == Cause::Config);
    CHECK_THAT(refused.error().what, Contains("has schema 99, written by a newer version"));
  }
}

TEST_CASE("embedded store: a damaged file is an error that says what to do") {
  VirtualClock clock;
  TemporaryFolder folder;
  std::ofstream(folder.path() / "state.db") << std::string(9000, 'x');
  const auto refused = EmbeddedStore::open(folder.path(), clock);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().cause == Cause::Config);
  CHECK_THAT(refused.error().what, Contains("is damaged") && Contains("move it away"));
}

// Of any type and content that a column can have.
std::string any_value(RandomOperations& random) {
  switch (random.below(6)) {
    case 0:
      return "NULL";
    case 1:
      return std::to_string(static_cast<std::int64_t>(random.below(~std::size_t{0})));
    case 2:
      return std::to_string(random.below(5));
    case 3:
      return "'" + std::to_string(random.below(1'000'000)) + " 3 abc'";
    case 4:
      return "randomblob(" + std::to_string(random.below(90)) + ")";
    default:
      return "9223372036854775807";
  }
}

TEST_CASE("embedded store: opens and decides whatever the rows of its file say") {
  RandomOperations random(5);
  for (int round = 0; round < 20; ++round) {
    CAPTURE(round);
    EmbeddedWorld w;
    w.opened.reset();
    std::string sql = "BEGIN;";
    for (const auto& [table, columns] : {std::pair{"limits", 9},
                                         {"limit_values", 5},
                                         {"greylist", 5},
                                         {"auto_allowed", 4},
                                         {"list_entries", 5},
                                         {"seen", 4}}) {
      for (int row = 0; row < 60; ++row) {
        std::string values =
            "x'" + std::string(random.one_in(2) ? "6c696d697430" : "6730") + "'";  // limit0, g0
        if (std::string(table) == "list_entries") values = "'list0'";
        for (int i = 1; i < columns; ++i) values += ", " + any_value(random);
        sql += fmt::format("INSERT OR IGNORE INTO {} VALUES ({});", table, values);
      }
    }
    sql += "INSERT OR REPLACE INTO meta VALUES ('time', " + any_value(random) + "); COMMIT";
    REQUIRE(run_sql(w.folder.path(), sql) == SQLITE_OK);
    auto store = open_store(w.folder.path(), w.clock);
    for (int i = 0; i < 300; ++i) {
      ask_all(*store, random.submission());
      w.clock.advance(random.step());
    }
    for (const auto kind : {StateEntry::Kind::Limit, StateEntry::Kind::Greylist,
                            StateEntry::Kind::List, StateEntry::Kind::Seen}) {
      StateQuery query;
      query.kind = kind;
      CHECK_NOTHROW(store->show(query));
    }
    CHECK(store->flush(s(90)));
  }
}

TEST_CASE("embedded store: a folder serves one store at a time, the next one when it is gone") {
  EmbeddedWorld w;
  const auto second = EmbeddedStore::open(w.folder.path(), w.clock);
  REQUIRE_FALSE(second);
  CHECK(second.error().cause == Cause::Temporary);
  CHECK_THAT(second.error().what, Contains("another process uses this state"));
  w.opened.reset();
  CHECK(EmbeddedStore::open(w.folder.path(), w.clock));
}

TEST_CASE("embedded store: a folder that cannot be made is an error of the configuration") {
  VirtualClock clock;
  const auto refused = EmbeddedStore::open("/dev/null/state", clock);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().cause == Cause::Config);
}

TEST_CASE("embedded store: a full disk stops no decision, is told, and is made up for") {
  VirtualClock clock{kStart};
  TemporaryFolder folder;
  EmbeddedOptions options;
  options.max_file_bytes = 400'000;
  auto store = open_store(folder.path(), clock, options);
  const std::string long_name(900, 'x');
  for (int i = 0; i < 1000; ++i)
    ask(*store, GreylistRecord{long_name + std::to_string(i), "", hours(9)});
  CHECK_FALSE(store->flush(ms(1500)));
  auto health = store->health();
  CHECK(health.available);
  CHECK(health.degraded);
  CHECK(health.errors > 0);
  CHECK_THAT(health.what, Contains("in memory only") && Contains("full"));
  use(*store, reserve(1, "k", {{1, hours(1)}}));
  CHECK_FALSE(ask(*store, reserve(2, "k", {{1, hours(1)}})).granted);

  CHECK(store->forget(StateEntry::Kind::Greylist, "") == 1000);
  CHECK(store->flush(s(30)));
  health = store->health();
  CHECK_FALSE(health.degraded);
  CHECK(health.errors > 0);
  store.reset();
  store = open_store(folder.path(), clock, options);
  CHECK_FALSE(ask(*store, reserve(3, "k", {{1, hours(1)}})).granted);
}

TEST_CASE("embedded store: each kind is bounded, what expires first goes first") {
  VirtualClock clock{kStart};
  TemporaryFolder folder;
  EmbeddedOptions options;
  options.max_first_seen = options.max_passed = options.max_limits = options.max_seen =
      options.max_list_entries = 10;
  const auto store = open_store(folder.path(), clock, options);
  for (int i = 0; i < 25; ++i) {
    const auto n = std::to_string(i);
    ask(*store, GreylistRecord{"w" + n, "", hours(1)});
    ask(*store, GreylistPromote{"p" + n, "", hours(1), "", 0, hours(0)});
    ask(*store, SeenRecord{"s" + n, hours(1)});
    ask(*store, ListAdd{"list", "v" + n, {}, hours(1)});
    use(*store, reserve(static_cast<ReservationId>(i) + 1, "k" + n, kHundred));
    clock.advance(minutes(1) + s(1));
  }
  CHECK_THAT(store->health().what,
             Contains("10 limits, 20 greylist entries, 10 list entries, 10 values seen"));
  CHECK_FALSE(ask(*store, Seen{"s14"}).first_seen);
  CHECK(ask(*store, Seen{"s15"}).first_seen);
  CHECK(ask(*store, ListContains{"list", "v15", {}}).contained);
  CHECK(used(*store, reserve(99, "k15", kHundred)) == 1);
  CHECK(used(*store, reserve(99, "k14", kHundred)) == 0);
}

TEST_CASE("embedded store: a list full of permanent entries takes no more") {
  VirtualClock clock{kStart};
  TemporaryFolder folder;
  EmbeddedOptions options;
  options.max_list_entries = 2;
  const auto store = open_store(folder.path(), clock, options);
  CHECK(ask(*store, ListAdd{"list", "a", {}, {}}).available);
  CHECK(ask(*store, ListAdd{"list", "b", {}, {}}).available);
  CHECK_FALSE(ask(*store, ListAdd{"list", "c", {}, {}}).available);
  CHECK(ask(*store, ListAdd{"list", "a", {}, hours(1)}).available);
  CHECK(ask(*store, ListAdd{"list", "c", {}, {}}).available);
  CHECK(ask(*store, ListContains{"list", "b", {}}).contained);
}

TEST_CASE("embedded store: a flood of first contacts pushes out neither limits nor who passed") {
  VirtualClock clock{kStart};
  TemporaryFolder folder;
  EmbeddedOptions options;
  options.max_entries = 60;
  const auto store = open_store(folder.path(), clock, options);
  for (int i = 0; i < 20; ++i) {
    ask(*store, GreylistPromote{"p" + std::to_string(i), "", hours(1), "", 0, hours(0)});
    use(*store, reserve(static_cast<ReservationId>(i) + 1, "k" + std::to_string(i), {{9, s(10)}}));
  }
  for (int i = 0; i < 500; ++i)
    ask(*store, GreylistRecord{"flood" + std::to_string(i), "", hours(99)});
  CHECK_THAT(store->health().what, Contains("20 limits, 40 greylist entries"));
  for (int i = 0; i < 500; ++i)
    use(*store, reserve(100 + static_cast<ReservationId>(i), "f" + std::to_string(i), kHundred));
  CHECK_THAT(store->health().what, Contains("40 limits, 20 greylist entries"));
  CHECK(ask(*store, GreylistLook{"p0", "", s(1), hours(1)}).greylist == GreylistState::Passed);
}

TEST_CASE("embedded store: what is reserved is not pushed out by others") {
  VirtualClock clock{kStart};
  TemporaryFolder folder;
  EmbeddedOptions options;
  options.max_limits = 50;
  const auto store = open_store(folder.path(), clock, options);
  ask(*store, reserve(1, "k", {{1, hours(1)}}));
  for (ReservationId id = 10; id < 500; ++id)
    use(*store, reserve(id, "flood" + std::to_string(id), kHundred));
  CHECK_FALSE(ask(*store, reserve(2, "k", {{1, hours(1)}})).granted);
}

TEST_CASE("embedded store: reservations and remembered values have caps") {
  VirtualClock clock{kStart};
  TemporaryFolder folder;
  EmbeddedOptions options;
  options.max_reservations = 3;
  options.max_values = 4;
  const auto store = open_store(folder.path(), clock, options);
  for (ReservationId id = 1; id <= 3; ++id)
    CHECK(ask(*store, reserve(id, "k", kHundred)).available);
  CHECK_FALSE(ask(*store, reserve(4, "k", kHundred)).available);
  ask(*store, release(reserve(1, "k", kHundred)));
  CHECK(ask(*store, reserve(5, "k", kHundred)).available);
  // Beyond the cap a value counts each time: refused too early rather than never.
  for (ReservationId id = 10; id < 20; ++id)
    ask(*store, commit(reserve_value(id, "values", kHundred, "v" + std::to_string(id % 5))));
  CHECK(used(*store, reserve_value(99, "values", kHundred, "new")) == 6);
}

TEST_CASE("embedded store: periods that policies used long ago make room for new ones") {
  EmbeddedWorld w;
  for (ReservationId id = 1; id <= 300; ++id) {
    const auto op = reserve(id, "k", {{1, s(static_cast<std::int64_t>(id % 100) + 1)}});
    CHECK(ask(w.store, op).granted);
    CHECK(ask(w.store, commit(op)).available);
    CHECK_FALSE(ask(w.store, peek(op)).granted);
    w.clock.advance(s(10));
  }
}

TEST_CASE("embedded store: old state goes from memory and disk by itself") {
  EmbeddedWorld w;
  for (int i = 0; i < 100; ++i) {
    ask(w.store, GreylistRecord{"w" + std::to_string(i), "", minutes(1)});
    use(w.store,
        reserve(static_cast<ReservationId>(i) + 1, "k" + std::to_string(i), {{9, minutes(1)}}));
  }
  REQUIRE(w.store.flush(s(90)));
  w.clock.advance(minutes(5));
  for (int i = 0; i < 200; ++i) ask(w.store, SeenRecord{"s", hours(1)});
  CHECK_THAT(w.store.health().what, Contains("0 limits, 0 greylist entries"));
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  ask(w.store, SeenRecord{"s", hours(1)});
  REQUIRE(w.store.flush(s(90)));
  w.opened.reset();
  const std::string count =
      "SELECT CASE WHEN (SELECT count(*) FROM greylist) + (SELECT count(*) FROM limits) > 0 "
      "THEN abs(-9223372036854775808) END";  // an error when there are rows
  CHECK(run_sql(w.folder.path(), count) == SQLITE_OK);
}

TEST_CASE("embedded store: a completion may submit again") {
  EmbeddedWorld w;
  bool inner = false;
  w.store.submit({SeenRecord{"a", hours(1)}}, [&](std::vector<StateAnswer>) {
    inner = ask(w.store, Seen{"a"}).first_seen.has_value();
  });
  CHECK(inner);
}

TEST_CASE("embedded store: 64 threads race for one budget and get not one too many") {
  constexpr int kThreads = 64, kTries = 100;
  const std::vector<Window> windows{{1000, hours(24)}};
  SystemClock clock;
  TemporaryFolder folder;
  const auto store = open_store(folder.path(), clock);
  std::atomic<std::int64_t> kept{0};
  std::atomic<ReservationId> next_id{1};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kTries; ++i) {
        const auto op = reserve(next_id++, "budget", windows);
        StateAnswer answer;
        store->submit({op}, [&](std::vector<StateAnswer> answers) { answer = answers.front(); });
        if (!answer.granted) continue;
        const bool keeps = (t + i) % 3 != 0;
        if (keeps) ++kept;
        std::vector<StateOp> settle{StateOp{release(op)}};
        if (keeps) settle = {commit(op), commit(op)};
        store->submit(settle, [](std::vector<StateAnswer>) {});
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const auto state = ask(*store, peek(reserve(0, "budget", windows)));
  CHECK(state.used == 1000);
  CHECK(kept == 1000);
  CHECK_FALSE(state.granted);
  CHECK(state.by_committed_use);
}

}  // namespace
}  // namespace sluice::backends
