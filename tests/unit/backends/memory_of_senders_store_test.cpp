// The contract of greylists, dynamic lists and values seen, on every store.
#include <catch2/catch.hpp>

#include "store_worlds.h"

namespace sluice::backends {
namespace {

const Duration kDelay = minutes(5), kRetryWithin = hours(48), kRemember = hours(24 * 35);

GreylistLook look(std::string key, std::string auto_key = "") {
  return {std::move(key), std::move(auto_key), kDelay, kRetryWithin};
}
GreylistRecord record(std::string key) { return {key, "entry " + key, kRetryWithin}; }
GreylistPromote promote(std::string key, std::string auto_key = "", int after = 0) {
  return {key, "entry " + key, kRemember, std::move(auto_key), after, hours(24)};
}
GreylistState state_of(StateStore& store, GreylistLook op) {
  return ask(store, std::move(op)).greylist;
}

TEMPLATE_TEST_CASE("greylist: first contact, too early, ready, passed", "[store]", STORE_WORLDS) {
  IN_WORLD(w);
  auto answer = ask(w.store, look("k"));
  CHECK(answer.greylist == GreylistState::Unknown);
  CHECK(answer.wait == kDelay);
  ask(w.store, record("k"));
  w.clock.advance(minutes(2));
  answer = ask(w.store, look("k"));
  CHECK(answer.greylist == GreylistState::Waiting);
  CHECK(answer.wait == minutes(3));
  w.clock.advance(minutes(3));
  CHECK(state_of(w.store, look("k")) == GreylistState::Ready);
  ask(w.store, promote("k"));
  CHECK(state_of(w.store, look("k")) == GreylistState::Passed);
  w.clock.advance(kRemember - ms(1));
  CHECK(state_of(w.store, look("k")) == GreylistState::Passed);
  w.clock.advance(ms(1));
  CHECK(state_of(w.store, look("k")) == GreylistState::Unknown);
}

TEMPLATE_TEST_CASE("greylist: a look writes nothing", "[store]", STORE_WORLDS) {
  IN_WORLD(w);
  ask(w.store, look("k"));
  w.clock.advance(kDelay);
  CHECK(state_of(w.store, look("k")) == GreylistState::Unknown);
}

TEMPLATE_TEST_CASE("greylist: early retries do not restart the delay", "[store]", STORE_WORLDS) {
  IN_WORLD(w);
  ask(w.store, record("k"));
  w.clock.advance(minutes(4));
  ask(w.store, record("k"));
  w.clock.advance(minutes(1));
  CHECK(state_of(w.store, look("k")) == GreylistState::Ready);
}

TEMPLATE_TEST_CASE("greylist: who comes back too late starts anew", "[store]", STORE_WORLDS) {
  IN_WORLD(w);
  ask(w.store, record("k"));
  w.clock.advance(kRetryWithin);
  CHECK(state_of(w.store, look("k")) == GreylistState::Ready);
  w.clock.advance(ms(1));
  CHECK(state_of(w.store, look("k")) == GreylistState::Unknown);
  ask(w.store, record("k"));
  CHECK(ask(w.store, look("k")).wait == kDelay);
}

TEMPLATE_TEST_CASE("greylist: a late record does not undo a pass", "[store]", STORE_WORLDS) {
  IN_WORLD(w);
  ask(w.store, promote("k"));
  ask(w.store, record("k"));
  CHECK(state_of(w.store, look("k")) == GreylistState::Passed);
}

TEMPLATE_TEST_CASE("greylist: a pass is remembered from its last use", "[store]", STORE_WORLDS) {
  IN_WORLD(w);
  ask(w.store, promote("k"));
  w.clock.advance(kRemember - hours(1));
  ask(w.store, promote("k"));
  w.clock.advance(kRemember - hours(1));
  CHECK(state_of(w.store, look("k")) == GreylistState::Passed);
}

TEMPLATE_TEST_CASE("greylist: a longer pass stays, a shorter one becomes longer", "[store]",
                   STORE_WORLDS) {
  IN_WORLD(w);
  ask(w.store, record("k"));
  ask(w.store, GreylistPromote{"k", "entry k", kRemember + hours(24), "", 0, {}});
  CHECK(state_of(w.store, look("k")) == GreylistState::Passed);
  w.clock.advance(hours(1));
  ask(w.store, promote("k"));  // its message
  w.clock.advance(kRemember + hours(23) - ms(1));
  CHECK(state_of(w.store, look("k")) == GreylistState::Passed);
  ask(w.store, promote("k"));
  w.clock.advance(kRemember - ms(1));
  CHECK(state_of(w.store, look("k")) == GreylistState::Passed);
  w.clock.advance(ms(1));
  CHECK(state_of(w.store, look("k")) == GreylistState::Unknown);
}

TEMPLATE_TEST_CASE("greylist: auto_allow after so many different entries", "[store]",
                   STORE_WORLDS) {
  IN_WORLD(w);
  ask(w.store, promote("a", "host", 2));
  ask(w.store, promote("a", "host", 2));
  CHECK(state_of(w.store, look("c", "host")) == GreylistState::Unknown);
  ask(w.store, promote("b", "host", 2));
  CHECK(state_of(w.store, look("c", "host")) == GreylistState::AutoAllowed);
  CHECK(state_of(w.store, look("a", "host")) == GreylistState::Passed);
  CHECK(state_of(w.store, look("c", "other")) == GreylistState::Unknown);
  CHECK(state_of(w.store, look("c")) == GreylistState::Unknown);
  w.clock.advance(hours(24));
  CHECK(state_of(w.store, look("c", "host")) == GreylistState::Unknown);
  ask(w.store, promote("a", "host", 2));
  CHECK(state_of(w.store, look("c", "host")) == GreylistState::AutoAllowed);
}

TEMPLATE_TEST_CASE("greylist: show and forget", "[store]", STORE_WORLDS) {
  IN_WORLD(w);
  ask(w.store, record("a"));
  ask(w.store, promote("b"));
  StateQuery query;
  query.kind = StateEntry::Kind::Greylist;
  const auto entries = w.store.show(query);
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].name == "entry a");
  CHECK(entries[0].state == "waiting");
  CHECK(entries[0].first == kStart);
  CHECK(entries[1].state == "passed");
  CHECK(entries[1].expires == kStart + kRemember);
  CHECK(w.store.forget(StateEntry::Kind::Greylist, "entry b") == 1);
  CHECK(state_of(w.store, look("b")) == GreylistState::Unknown);
  CHECK(state_of(w.store, look("a")) == GreylistState::Waiting);
}

ListContains contains(std::string list, std::string value) {
  return {std::move(list), value, IpAddress::parse(value)};
}
ListAdd add(std::string list, std::string value, std::optional<Duration> keep = {}) {
  return {std::move(list), value, Network::parse(value), keep};
}

TEMPLATE_TEST_CASE("lists: values come, stay their time and go", "[store]", STORE_WORLDS) {
  IN_WORLD(w);
  ask(w.store, add("banned", "a.example", hours(1)));
  ask(w.store, add("banned", "b.example"));
  CHECK(ask(w.store, contains("banned", "a.example")).contained);
  CHECK_FALSE(ask(w.store, contains("other", "a.example")).contained);
  CHECK_FALSE(ask(w.store, contains("banned", "c.example")).contained);
  w.clock.advance(minutes(59));
  ask(w.store, add("banned", "a.example", hours(1)));
  w.clock.advance(minutes(59));
  CHECK(ask(w.store, contains("banned", "a.example")).contained);
  w.clock.advance(minutes(1));
  CHECK_FALSE(ask(w.store, contains("banned", "a.example")).contained);
  CHECK(ask(w.store, contains("banned", "b.example")).contained);
  ask(w.store, ListRemove{"banned", "b.example"});
  CHECK_FALSE(ask(w.store, contains("banned", "b.example")).contained);
}

TEMPLATE_TEST_CASE("lists: an address is found in its networks, of both families", "[store]",
                   STORE_WORLDS) {
  IN_WORLD(w);
  ask(w.store, add("nets", "203.0.113.0/24"));
  ask(w.store, add("nets", "203.0.113.128/25", hours(1)));
  ask(w.store, add("nets", "2001:db8::/32"));
  CHECK(ask(w.store, contains("nets", "203.0.113.200")).contained);
  CHECK(ask(w.store, contains("nets", "2001:db8:1::1")).contained);
  CHECK_FALSE(ask(w.store, contains("nets", "203.0.114.1")).contained);
  CHECK_FALSE(ask(w.store, contains("nets", "2001:db9::1")).contained);
  ask(w.store, ListRemove{"nets", "203.0.113.0/24"});
  CHECK(ask(w.store, contains("nets", "203.0.113.200")).contained);
  CHECK_FALSE(ask(w.store, contains("nets", "203.0.113.100")).contained);
  w.clock.advance(hours(1));
  CHECK_FALSE(ask(w.store, contains("nets", "203.0.113.200")).contained);
}

TEMPLATE_TEST_CASE("lists: 0.0.0.0/0 means IPv4, ::/0 means all of IPv6", "[store]", STORE_WORLDS) {
  IN_WORLD(w);
  ask(w.store, add("v4", "0.0.0.0/0"));
  ask(w.store, add("all", "::/0"));
  CHECK(ask(w.store, contains("v4", "192.0.2.1")).contained);
  CHECK_FALSE(ask(w.store, contains("v4", "2001:db8::1")).contained);
  CHECK(ask(w.store, contains("all", "2001:db8::1")).contained);
}

TEMPLATE_TEST_CASE("lists: two values may name one network, each goes by itself", "[store]",
                   STORE_WORLDS) {
  IN_WORLD(w);
  const auto network = Network::parse("198.51.100.0/24");
  ask(w.store, ListAdd{"nets", "one", network, {}});
  ask(w.store, ListAdd{"nets", "two", network, {}});
  ask(w.store, ListRemove{"nets", "one"});
  CHECK(ask(w.store, contains("nets", "198.51.100.7")).contained);
  ask(w.store, ListAdd{"nets", "two", {}, {}});
  CHECK_FALSE(ask(w.store, contains("nets", "198.51.100.7")).contained);
}

TEMPLATE_TEST_CASE("lists: show and forget", "[store]", STORE_WORLDS) {
  IN_WORLD(w);
  ask(w.store, add("banned", "a.example", hours(1)));
  ask(w.store, add("banned", "b.example"));
  ask(w.store, add("friends", "a.example"));
  StateQuery query;
  query.kind = StateEntry::Kind::List;
  query.filter = "banned";
  const auto entries = w.store.show(query);
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].key == "banned");
  CHECK(entries[0].name == "a.example");
  CHECK(entries[0].expires == kStart + hours(1));
  CHECK(entries[1].state == "permanent");
  CHECK(w.store.forget(StateEntry::Kind::List, "banned") == 2);
  CHECK_FALSE(ask(w.store, contains("banned", "a.example")).contained);
  CHECK(ask(w.store, contains("friends", "a.example")).contained);
}

TEMPLATE_TEST_CASE("seen: first and last time, until long after the last", "[store]",
                   STORE_WORLDS) {
  IN_WORLD(w);
  CHECK_FALSE(ask(w.store, Seen{"k"}).first_seen);
  ask(w.store, SeenRecord{"k", hours(2)});
  w.clock.advance(hours(1));
  ask(w.store, SeenRecord{"k", hours(2)});
  auto answer = ask(w.store, Seen{"k"});
  CHECK(answer.first_seen == kStart);
  CHECK(answer.last_seen == kStart + hours(1));
  w.clock.advance(hours(2) - ms(1));
  CHECK(ask(w.store, Seen{"k"}).first_seen);
  w.clock.advance(ms(1));
  CHECK_FALSE(ask(w.store, Seen{"k"}).first_seen);
  ask(w.store, SeenRecord{"k", hours(2)});
  CHECK(ask(w.store, Seen{"k"}).first_seen == kStart + hours(3));
}

TEMPLATE_TEST_CASE("seen: times are told by the clock as it is now", "[store]", STORE_WORLDS) {
  IN_WORLD(w);
  ask(w.store, SeenRecord{"k", hours(9)});
  w.clock.advance(-hours(1));
  CHECK(ask(w.store, Seen{"k"}).first_seen == kStart - hours(1));
}

}  // namespace
}  // namespace sluice::backends
