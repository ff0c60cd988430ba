#include "app/store_watch.h"

#include <catch2/catch.hpp>

namespace sluice::app {

namespace {

const TimePoint kNoon{Duration{1'795'608'000'000}};

backends::StateHealth health(bool available, std::uint64_t errors) {
  backends::StateHealth health;
  health.available = available;
  health.errors = errors;
  health.what = "redis, nobody there";
  return health;
}

Duration s(std::int64_t n) { return Duration{n * 1000}; }

}  // namespace

TEST_CASE("store watch: a store that answers is not worth a word") {
  StoreWatch watch;
  for (int i = 0; i < 100; ++i) CHECK_FALSE(watch.look(health(true, 0), kNoon + s(i)));
  CHECK(watch.line().empty());
}

TEST_CASE("store watch: every minute without the store is told and counted, and its return") {
  StoreWatch watch;
  std::size_t warnings = 0, returns = 0;
  for (int i = 0; i < 300; ++i) {
    const bool away = i >= 10 && i < 200;
    const auto remark = watch.look(health(!away, 0), kNoon + s(i));
    if (remark && remark->is_warning) ++warnings;
    if (remark && !remark->is_warning) {
      ++returns;
      CHECK(remark->text == "the state store answers again, after 3m9s");
    }
  }
  CHECK(warnings == 4);  // at 10, 70, 130, 190 s
  CHECK(returns == 1);
  CHECK(watch.line() == "4 degraded minutes, the last at 2026-11-25T12:03:19Z");
  CHECK_FALSE(watch.report().failing);
}

TEST_CASE("store watch: single failures of a store that is there count as well") {
  StoreWatch watch;
  CHECK(watch.look(health(true, 1), kNoon));
  CHECK_FALSE(watch.look(health(true, 1), kNoon + s(1)));
  CHECK_FALSE(watch.look(health(true, 2), kNoon + s(2)));
  CHECK(watch.look(health(true, 2), kNoon + s(8))->is_warning == false);
  CHECK(watch.line().substr(0, 17) == "1 degraded minute");
}

TEST_CASE("store watch: a full disk is told as one, and as long as it lasts, however seldom it is tried") {
  StoreWatch watch(true);
  std::vector<StoreWatch::Remark> remarks;
  for (int i = 0; i < 100; ++i) {
    auto full = health(true, i < 30 ? 1 : 2);  // tried at 0 and 30 s only
    full.degraded = i < 90;
    if (auto remark = watch.look(full, kNoon + s(i))) remarks.push_back(*remark);
  }
  REQUIRE(remarks.size() == 3);  // at 0, at 60, and its end
  CHECK(remarks[0].text.find("cannot write to its disk: it goes on in memory") != std::string::npos);
  CHECK(remarks[1].text.find("for 1m") != std::string::npos);
  CHECK_FALSE(remarks[2].is_warning);
  CHECK(remarks[2].text == "the state store has written everything to its disk again, after 1m29s");
}

}  // namespace sluice::app
