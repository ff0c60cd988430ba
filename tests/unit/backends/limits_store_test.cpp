// The contract of limits (LANGUAGE: limits, reservations), on every store.
#include <catch2/catch.hpp>

#include "store_worlds.h"

#define EACH_WORLD(name) TEMPLATE_TEST_CASE("limits: " name, "[store]", STORE_WORLDS)

namespace sluice::backends {
namespace {

std::vector<StateEntry> limits_of(StateStore& store, const std::string& filter = "") {
  StateQuery query;
  query.filter = filter;
  return store.show(query);
}

void use(StateStore& store, const Reserve& op) {
  ask(store, op);
  ask(store, commit(op));
}

EACH_WORLD("refuse what would be one too many, with the wait until it fits") {
  IN_WORLD(w);
  for (ReservationId id = 1; id <= 3; ++id) {
    const auto op = reserve(id, "k", {{3, minutes(1)}});
    CHECK(ask(w.store, op).granted);
    ask(w.store, commit(op));
    w.clock.advance(s(10));
  }
  const auto answer = ask(w.store, reserve(4, "k", {{3, minutes(1)}}));
  CHECK_FALSE(answer.granted);
  CHECK(answer.wait == s(30));
  CHECK(answer.used == 3);
  CHECK(answer.by_committed_use);
  w.clock.advance(s(30) - ms(1));
  CHECK_FALSE(ask(w.store, reserve(5, "k", {{3, minutes(1)}})).granted);
  w.clock.advance(ms(1));
  CHECK(ask(w.store, reserve(6, "k", {{3, minutes(1)}})).granted);
}

EACH_WORLD("count in sixtieths: refuse up to period/60 too long, never too short") {
  IN_WORLD(w);
  w.clock.advance(ms(1));
  use(w.store, reserve(1, "k", {{1, minutes(1)}}));
  CHECK(ask(w.store, peek(reserve(2, "k", {{1, minutes(1)}}))).wait == s(61) - ms(1));
}

EACH_WORLD("what is reserved counts until it is given back") {
  IN_WORLD(w);
  const std::vector<Window> two{{2, minutes(1)}};
  const auto a = reserve(1, "k", two), b = reserve(2, "k", two), c = reserve(3, "k", two);
  CHECK(ask(w.store, a).granted);
  CHECK(ask(w.store, b).granted);
  const auto refused = ask(w.store, c);
  CHECK_FALSE(refused.granted);
  CHECK(refused.used == 0);
  CHECK_FALSE(refused.by_committed_use);
  CHECK(refused.wait == kReservationLease);
  ask(w.store, release(a));
  CHECK(ask(w.store, c).granted);
}

EACH_WORLD("a lease ends after 60 s, unless it is renewed") {
  IN_WORLD(w);
  const auto op = reserve(1, "k", {{1, hours(1)}});
  ask(w.store, op);
  w.clock.advance(s(50));
  CHECK(ask(w.store, renew(op)).granted);
  w.clock.advance(s(59));
  CHECK_FALSE(ask(w.store, reserve(2, "k", {{1, hours(1)}})).granted);
  w.clock.advance(s(1));
  CHECK(ask(w.store, peek(op)).granted);
  CHECK_FALSE(ask(w.store, renew(op)).granted);
}

EACH_WORLD("a commit counts at its own time, even when the lease is gone") {
  IN_WORLD(w);
  const auto op = reserve(1, "k", {{1, minutes(5)}});
  ask(w.store, op);
  w.clock.advance(minutes(3));
  ask(w.store, commit(op));
  w.clock.advance(minutes(4));
  CHECK_FALSE(ask(w.store, peek(op)).granted);
  w.clock.advance(minutes(1));
  CHECK(ask(w.store, peek(op)).granted);
}

EACH_WORLD("a commit may replace the amount") {
  IN_WORLD(w);
  const auto op = reserve(1, "k", {{10, minutes(1)}}, 8);
  ask(w.store, op);
  auto done = commit(op);
  done.n = 3;
  ask(w.store, done);
  CHECK(ask(w.store, peek(reserve(2, "k", {{10, minutes(1)}}, 7))).granted);
  CHECK_FALSE(ask(w.store, peek(reserve(2, "k", {{10, minutes(1)}}, 8))).granted);
}

EACH_WORLD("reserving, committing and releasing twice changes nothing") {
  IN_WORLD(w);
  const std::vector<Window> five{{5, minutes(1)}};
  const auto op = reserve(1, "k", five, 2);
  const auto first = ask(w.store, op), again = ask(w.store, op);
  CHECK(first.granted);
  CHECK(again.granted);
  CHECK(again.used == first.used);
  CHECK(ask(w.store, peek(reserve(9, "k", five, 3))).granted);
  ask(w.store, commit(op));
  ask(w.store, commit(op));
  CHECK(ask(w.store, peek(reserve(9, "k", five, 3))).granted);
  CHECK_FALSE(ask(w.store, peek(reserve(9, "k", five, 4))).granted);
  ask(w.store, release(op));
  CHECK_FALSE(ask(w.store, peek(reserve(9, "k", five, 4))).granted);
}

EACH_WORLD("a settled id is spent: it holds nothing and counts nothing") {
  IN_WORLD(w);
  const auto op = reserve(1, "k", {{1, minutes(1)}});
  ask(w.store, op);
  ask(w.store, release(op));
  CHECK(ask(w.store, op).granted);
  CHECK(ask(w.store, peek(op)).granted);
  ask(w.store, commit(op));
  CHECK(ask(w.store, peek(op)).granted);
}

EACH_WORLD("an id of one key says nothing about another key") {
  IN_WORLD(w);
  const auto a = reserve(1, "a", {{1, minutes(1)}}), b = reserve(1, "b", {{1, minutes(1)}});
  use(w.store, a);
  CHECK(ask(w.store, b).granted);
  CHECK_FALSE(ask(w.store, peek(b)).granted);
}

EACH_WORLD(
    "several windows are charged together, the first that refuses is named, the longest wait "
    "told") {
  IN_WORLD(w);
  const std::vector<Window> both{{2, minutes(1)}, {3, hours(1)}};
  for (ReservationId id = 1; id <= 2; ++id) use(w.store, reserve(id, "k", both));
  auto answer = ask(w.store, reserve(3, "k", both));
  CHECK(answer.exceeded == 0);
  CHECK(answer.wait == minutes(1));
  w.clock.advance(minutes(1));
  use(w.store, reserve(4, "k", both));
  answer = ask(w.store, reserve(5, "k", both));
  CHECK(answer.exceeded == 1);
  CHECK(answer.used == 3);
  CHECK(answer.wait == minutes(59));
  CHECK(ask(w.store, peek(reserve(6, "k", {{2, minutes(1)}}))).granted);
}

EACH_WORLD("all of several windows or none: a refusal holds nothing anywhere") {
  IN_WORLD(w);
  use(w.store, reserve(1, "k", {{9, hours(1)}}, 9));
  CHECK_FALSE(ask(w.store, reserve(2, "k", {{5, minutes(1)}, {9, hours(1)}}, 5)).granted);
  CHECK(ask(w.store, reserve(3, "k", {{5, minutes(1)}}, 5)).granted);
}

EACH_WORLD("raising the count keeps the history, another period has its own") {
  IN_WORLD(w);
  use(w.store, reserve(1, "k", {{1, minutes(1)}}));
  CHECK_FALSE(ask(w.store, peek(reserve(2, "k", {{1, minutes(1)}}))).granted);
  CHECK(ask(w.store, peek(reserve(2, "k", {{2, minutes(1)}}))).granted);
  CHECK_FALSE(ask(w.store, peek(reserve(2, "k", {{2, minutes(1)}}, 2))).granted);
  CHECK(ask(w.store, peek(reserve(2, "k", {{1, minutes(2)}}))).granted);
}

EACH_WORLD("a period that stands twice is charged once") {
  IN_WORLD(w);
  use(w.store, reserve(1, "k", {{4, minutes(1)}, {9, minutes(1)}}, 2));
  CHECK(ask(w.store, peek(reserve(2, "k", {{4, minutes(1)}}, 2))).granted);
  CHECK_FALSE(ask(w.store, peek(reserve(2, "k", {{4, minutes(1)}}, 3))).granted);
}

EACH_WORLD("more than the count never fits and waits for the length of the window") {
  IN_WORLD(w);
  const auto answer = ask(w.store, reserve(1, "k", {{3, hours(1)}}, 4));
  CHECK_FALSE(answer.granted);
  CHECK(answer.wait == hours(1));
  CHECK(answer.by_committed_use);
}

EACH_WORLD("no windows and no bucket are unlimited") {
  IN_WORLD(w);
  const auto op = reserve(1, "k", {});
  CHECK(ask(w.store, op).granted);
  ask(w.store, commit(op));
  CHECK(limits_of(w.store).empty());
}

EACH_WORLD("limits that only observe count beyond their number") {
  IN_WORLD(w);
  auto op = reserve(1, "k", {{1, minutes(1)}}, 3);
  op.even_if_exceeded = true;
  CHECK_FALSE(ask(w.store, op).granted);
  CHECK_FALSE(ask(w.store, op).granted);
  ask(w.store, commit(op));
  CHECK(ask(w.store, peek(op)).used == 3);
}

EACH_WORLD("a bucket gives its capacity at once and then one by one") {
  IN_WORLD(w);
  const Bucket bucket{10, {10, minutes(1)}};
  for (ReservationId id = 1; id <= 10; ++id) use(w.store, reserve_tokens(id, "k", bucket));
  auto answer = ask(w.store, reserve_tokens(11, "k", bucket));
  CHECK_FALSE(answer.granted);
  CHECK(answer.exceeded == 0);
  CHECK(answer.wait == s(6));
  CHECK(answer.used == 10);
  CHECK(answer.by_committed_use);
  w.clock.advance(s(6) - ms(1));
  CHECK_FALSE(ask(w.store, peek(reserve_tokens(12, "k", bucket))).granted);
  w.clock.advance(ms(1));
  CHECK(ask(w.store, reserve_tokens(13, "k", bucket)).granted);
  CHECK_FALSE(ask(w.store, reserve_tokens(14, "k", bucket)).granted);
}

EACH_WORLD("a bucket without refill is empty for ever") {
  IN_WORLD(w);
  const Bucket bucket{2, {0, minutes(1)}};
  use(w.store, reserve_tokens(1, "k", bucket, 2));
  w.clock.advance(hours(24 * 365));
  const auto answer = ask(w.store, peek(reserve_tokens(2, "k", bucket)));
  CHECK_FALSE(answer.granted);
  CHECK(answer.wait == minutes(1));
}

EACH_WORLD("distinct counts values, not events") {
  IN_WORLD(w);
  const std::vector<Window> two{{2, minutes(10)}};
  use(w.store, reserve_value(1, "k", two, "a"));
  use(w.store, reserve_value(2, "k", two, "a"));
  use(w.store, reserve_value(3, "k", two, "b"));
  CHECK(ask(w.store, peek(reserve_value(4, "k", two, "a"))).granted);
  const auto answer = ask(w.store, reserve_value(5, "k", two, "c"));
  CHECK_FALSE(answer.granted);
  CHECK(answer.used == 2);
  CHECK(answer.wait == minutes(10));
}

EACH_WORLD("a value used again stays for the whole window from then") {
  IN_WORLD(w);
  const std::vector<Window> one{{1, minutes(10)}};
  use(w.store, reserve_value(1, "k", one, "a"));
  w.clock.advance(minutes(9));
  use(w.store, reserve_value(2, "k", one, "a"));
  w.clock.advance(minutes(9));
  const auto answer = ask(w.store, peek(reserve_value(3, "k", one, "b")));
  CHECK_FALSE(answer.granted);
  CHECK(answer.wait == minutes(1));
}

EACH_WORLD("releasing a value takes nothing from another that holds or has committed it") {
  IN_WORLD(w);
  const std::vector<Window> one{{1, minutes(10)}};
  const auto first = reserve_value(1, "k", one, "a"), second = reserve_value(2, "k", one, "a");
  CHECK(ask(w.store, first).granted);
  CHECK(ask(w.store, second).granted);
  ask(w.store, release(first));
  CHECK_FALSE(ask(w.store, peek(reserve_value(3, "k", one, "b"))).granted);
  ask(w.store, commit(second));
  const auto third = reserve_value(4, "k", one, "a");
  ask(w.store, third);
  ask(w.store, release(third));
  CHECK_FALSE(ask(w.store, peek(reserve_value(5, "k", one, "b"))).granted);
}

EACH_WORLD("operations of one submission are answered in their order") {
  IN_WORLD(w);
  const std::vector<Window> one{{1, minutes(1)}};
  const auto a = reserve(1, "k", one), b = reserve(2, "k", one);
  const auto answers = ask_all(w.store, {a, b, release(a), b, peek(b)});
  CHECK(answers[0].granted);
  CHECK_FALSE(answers[1].granted);
  CHECK(answers[3].granted);
  CHECK_FALSE(answers[4].granted);
}

EACH_WORLD("a clock that is set back lets nothing more through and refuses no longer") {
  IN_WORLD(w);
  const std::vector<Window> one{{1, minutes(10)}};
  use(w.store, reserve(1, "k", one));
  w.clock.advance(-hours(1));
  CHECK(ask(w.store, peek(reserve(2, "k", one))).wait == minutes(10));
  w.clock.advance(minutes(10));
  CHECK(ask(w.store, peek(reserve(2, "k", one))).granted);
}

EACH_WORLD("amounts of any size neither overflow nor count backwards") {
  IN_WORLD(w);
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  CHECK(ask(w.store, reserve(1, "k", {{1, minutes(1)}}, -5)).granted);
  auto op = reserve(2, "k", {{5, minutes(1)}}, kMost);
  op.even_if_exceeded = true;
  use(w.store, op);
  CHECK(ask(w.store, peek(op)).used == kMaxUnits);
  CHECK(ask(w.store, peek(reserve(3, "k", {{kMost, minutes(1)}}, kMost))).granted);
  CHECK_FALSE(ask(w.store, peek(reserve(3, "k", {{kMaxUnits, minutes(1)}}, 1))).granted);
}

EACH_WORLD("more windows than kMaxWindows are not answered") {
  IN_WORLD(w);
  const auto op = reserve(1, "k", std::vector<Window>(kMaxWindows + 1, {1, minutes(1)}));
  CHECK_FALSE(ask(w.store, op).available);
  CHECK_FALSE(ask(w.store, peek(op)).available);
  CHECK_FALSE(ask(w.store, commit(op)).available);
}

EACH_WORLD("show says what is used and reserved in each period") {
  IN_WORLD(w);
  use(w.store, reserve(1, "k", {{9, minutes(1)}, {9, hours(1)}}, 4));
  ask(w.store, reserve(2, "k", {{9, minutes(1)}}, 2));
  use(w.store, reserve(3, "other", {{9, minutes(1)}}, 7));
  const auto entries = limits_of(w.store, "limit k");
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].period == minutes(1));
  CHECK(entries[0].used == 4);
  CHECK(entries[0].reserved == 2);
  CHECK(entries[0].name == "limit k");
  CHECK(entries[0].key == w.key("k"));
  CHECK(entries[1].reserved == 0);
  StateQuery top;
  top.most_used_first = true;
  top.limit = 1;
  CHECK(w.store.show(top).at(0).key == w.key("other"));
  CHECK(limits_of(w.store, "k").size() == 2);
  w.clock.advance(hours(2));
  CHECK(limits_of(w.store).empty());
}

EACH_WORLD("reset forgets the use and keeps what is reserved") {
  IN_WORLD(w);
  const std::vector<Window> three{{3, minutes(1)}};
  use(w.store, reserve(1, "a", three, 2));
  use(w.store, reserve(2, "b", three, 2));
  ask(w.store, reserve(3, "a", three));
  CHECK(w.store.forget(StateEntry::Kind::Limit, "limit a") == 1);
  CHECK(ask(w.store, peek(reserve(4, "a", three, 2))).granted);
  CHECK_FALSE(ask(w.store, peek(reserve(4, "a", three, 3))).granted);
  CHECK_FALSE(ask(w.store, peek(reserve(4, "b", three, 2))).granted);
}

EACH_WORLD("a grant raises every count of its limit for a while") {
  IN_WORLD(w);
  const std::vector<Window> both{{1, minutes(1)}, {1, hours(1)}};
  use(w.store, reserve(1, "k", both));
  CHECK(w.store.grant("limit k", 2, minutes(30)) == 2);
  CHECK(w.store.grant("nobody", 2, minutes(30)) == 0);
  CHECK(ask(w.store, peek(reserve(2, "k", both, 2))).granted);
  CHECK_FALSE(ask(w.store, peek(reserve(2, "k", both, 3))).granted);
  CHECK(limits_of(w.store).at(0).state == "window, 2 more granted");
  w.clock.advance(minutes(30));
  CHECK_FALSE(ask(w.store, peek(reserve(2, "k", both))).granted);
}

EACH_WORLD("a grant serves distinct values and buckets too, and 0 ends it") {
  IN_WORLD(w);
  const Bucket bucket{1, {1, hours(1)}};
  use(w.store, reserve_tokens(1, "bucket", bucket));
  use(w.store, reserve_value(2, "values", {{1, hours(1)}}, "a"));
  CHECK(w.store.grant("", 1, hours(1)) == 2);
  CHECK(ask(w.store, peek(reserve_tokens(3, "bucket", bucket))).granted);
  CHECK(ask(w.store, peek(reserve_value(4, "values", {{1, hours(1)}}, "b"))).granted);
  w.store.grant("", 0, hours(1));
  CHECK_FALSE(ask(w.store, peek(reserve_tokens(3, "bucket", bucket))).granted);
  CHECK_FALSE(ask(w.store, peek(reserve_value(4, "values", {{1, hours(1)}}, "b"))).granted);
}

}  // namespace
}  // namespace sluice::backends
