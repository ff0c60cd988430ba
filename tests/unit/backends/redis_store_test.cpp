// What only a store shared through Redis has to keep: round trips, refusals without a call, hosts
// that hear of each other, a Redis that is away or full, hostile content.
#include "backends/redis_store.h"

#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <future>
#include <set>
#include <thread>

#include "backends/redis_keys.h"
#include "store_worlds.h"

namespace sluice::backends {
namespace {

const std::vector<Window> kTen{{10, minutes(10)}};
const Duration kDelay = minutes(5), kRetryWithin = hours(48), kRemember = hours(24 * 35);

#define NEEDS_REDIS()                   \
  if (!RedisProcess::is_installed()) {  \
    WARN("skipped: no redis-server");   \
    return;                             \
  }

std::int64_t script_calls(const RedisProcess& server) {
  return server.calls("evalsha") + server.calls("eval");
}

void settle(StateStore& store, const Reserve& op) {
  ask(store, op);
  ask(store, commit(op));
}

TEST_CASE("redis store: a stage with eight limits and a greylist is one round trip", "[redis]") {
  NEEDS_REDIS();
  RedisProcess server;
  RedisOptions options;
  options.servers = {server.address()};
  const auto store = open_redis_store(options);
  std::vector<StateOp> ops;
  for (int i = 0; i < 8; ++i)
    ops.emplace_back(reserve(ReservationId(i + 1), "limit" + std::to_string(i), kTen));
  ops.emplace_back(GreylistLook{"triplet", "", kDelay, kRetryWithin});
  ask_all(*store, ops);  // the scripts are known from now on
  server.ask("config resetstat");
  const auto read_before = server.info("stats", "total_reads_processed");
  for (auto& op : ops) {
    if (auto* again = std::get_if<Reserve>(&op)) again->id += 100;
  }
  const auto answers = ask_all(*store, ops);
  CHECK(std::all_of(answers.begin(), answers.end(), [](const auto& a) { return a.available; }));
  CHECK(script_calls(server) == 1);
  // One packet came in with all of them (the other reads are redis-cli's, two a question).
  CHECK(server.info("stats", "total_reads_processed") - read_before <= 1 + 2 * 3);
}

// What is wrong with one of them is its own affair.
TEST_CASE("redis store: somebody else's key among those of a stage spoils nothing but its own limit",
          "[redis]") {
  NEEDS_REDIS();
  RedisSingle w;
  auto& server = RedisSingle::servers().server;
  const auto op = [](ReservationId id, const std::string& key) { return reserve(id, key, kTen); };
  server.ask("lpush '" + w.key("wrong") + "' x");
  server.ask("set '" + w.opened->shown_key(RedisKind::Holds, "half") + "' x");
  server.ask("config resetstat");
  const auto answers =
      ask_all(w.store, {op(1, "a"), op(2, "wrong"), op(3, "b"), op(4, "half"), GreylistRecord{"g", "g", hours(1)}});
  CHECK(script_calls(server) == 1);
  for (const std::size_t i : {0u, 2u, 4u}) CHECK(answers[i].available);
  for (const std::size_t i : {1u, 3u}) {
    CHECK_FALSE(answers[i].available);
    CHECK(answers[i].unsure);  // an error may have come behind its first write
  }
  ask_all(w.store, {commit(op(1, "a")), commit(op(2, "wrong")), commit(op(3, "b"))});
  for (const char* key : {"a", "b"}) CHECK(ask(w.store, peek(op(9, key))).used == 1);
  CHECK(ask(w.store, GreylistLook{"g", "", Duration{0}, hours(1)}).greylist == GreylistState::Ready);
}

TEST_CASE("redis store: subjects of every kind in one call, and one of them twice, do not disturb each other",
          "[redis]") {
  NEEDS_REDIS();
  RedisSingle w;
  auto& server = RedisSingle::servers().server;
  std::vector<StateOp> ops;
  const std::vector<Window> windows{{10, minutes(10)}, {20, hours(1)}};
  for (ReservationId id = 1; id <= 10; ++id) {
    ops.emplace_back(reserve(id, "limit" + std::to_string(id % 3), windows));
    ops.emplace_back(reserve_value(100 + id, "values" + std::to_string(id % 2), kTen, std::to_string(id)));
    ops.emplace_back(SeenRecord{"seen" + std::to_string(id), hours(1)});
  }
  ops.emplace_back(GreylistPromote{"g", "g", kRemember, "auto", 1, hours(1)});
  ops.emplace_back(ListAdd{"l", "v", {}, {}});
  server.ask("config resetstat");
  // Two submissions at once are two sessions' that came together.
  std::promise<void> first, second;
  w.store.submit(ops, [&](const auto&) { first.set_value(); });
  w.store.submit({Seen{"seen1"}, ListContains{"l", "v", {}}}, [&](const auto&) { second.set_value(); });
  first.get_future().wait();
  second.get_future().wait();
  for (const char* key : {"limit0", "limit1", "limit2"}) {
    StateQuery query;
    query.filter = w.key(key);
    const auto shown = w.store.show(query);
    REQUIRE(shown.size() == 2);
    CHECK(shown[0].reserved == (key == std::string("limit1") ? 4 : 3));
  }
  CHECK(ask(w.store, GreylistLook{"h", "auto", kDelay, kRetryWithin}).greylist ==
        GreylistState::AutoAllowed);
  CHECK(ask(w.store, Seen{"seen7"}).first_seen.has_value());
  CHECK(ask(w.store, ListContains{"l", "v", {}}).contained);
}

TEST_CASE("redis store: several rates of one limit and all its operations are one call", "[redis]") {
  NEEDS_REDIS();
  RedisSingle w;
  auto& server = RedisSingle::servers().server;
  const auto op = reserve(1, "k", {{5, s(10)}, {50, minutes(5)}, {500, hours(24)}});
  ask_all(w.store, {op, commit(op)});
  server.ask("config resetstat");
  const auto next = reserve(2, "k", op.windows);
  ask_all(w.store, {next, commit(next), peek(next), release(next)});
  CHECK(script_calls(server) == 1);
}

TEST_CASE("redis store: who was refused by committed use is refused without a call until it can pass",
          "[redis]") {
  NEEDS_REDIS();
  RedisSingle w;
  auto& server = RedisSingle::servers().server;
  for (ReservationId id = 1; id <= 10; ++id) settle(w.store, reserve(id, "k", kTen));
  const auto first = ask(w.store, reserve(11, "k", kTen));
  CHECK_FALSE(first.granted);
  CHECK(first.by_committed_use);
  server.ask("config resetstat");
  for (ReservationId id = 100; id < 300; ++id) {
    const auto answer = ask(w.store, reserve(id, "k", kTen));
    CHECK_FALSE(answer.granted);
    CHECK(answer.wait == first.wait);
  }
  CHECK(script_calls(server) == 0);
  CHECK(w.opened->counts().remembered_denials == 200);
  // Other amounts and other windows are other questions.
  CHECK(ask(w.store, reserve(300, "k", {{20, minutes(10)}})).granted);
  CHECK(script_calls(server) == 1);
  w.clock.advance(first.wait);
  CHECK(ask(w.store, reserve(301, "k", kTen)).granted);
}

TEST_CASE("redis store: refusals by reservations, and of what is held, are asked again", "[redis]") {
  NEEDS_REDIS();
  RedisSingle w;
  const std::vector<Window> one{{1, minutes(10)}};
  const auto held = reserve(1, "k", one);
  ask(w.store, held);
  CHECK_FALSE(ask(w.store, reserve(2, "k", one)).granted);
  ask(w.store, release(held));
  CHECK(ask(w.store, reserve(3, "k", one)).granted);
  ask(w.store, commit(reserve(3, "k", one)));
  const auto value = reserve_value(4, "v", one, "a");
  CHECK(ask(w.store, value).granted);
  ask(w.store, commit(reserve_value(5, "v", one, "b")));
  CHECK_FALSE(ask(w.store, reserve_value(6, "v", one, "c")).granted);
  CHECK(ask(w.store, value).granted);  // the answer it had
}

// Two hosts, in real time.
struct TwoHosts {
  RedisProcess server;
  std::unique_ptr<RedisStore> a, b;
  TwoHosts() {
    RedisOptions options;
    options.servers = {server.address()};
    a = open_redis_store(options);
    b = open_redis_store(options);
  }
  // So long after its start something became true.
  template <class Condition>
  Duration until(Condition&& holds) {
    const auto start = std::chrono::steady_clock::now();
    while (!holds() && std::chrono::steady_clock::now() - start < std::chrono::seconds(20))
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - start);
  }
};

TEST_CASE("redis store: a list entry of another host is felt soon, and costs no call per message",
          "[redis]") {
  NEEDS_REDIS();
  TwoHosts hosts;
  const ListContains question{"banned", "192.0.2.7", IpAddress::parse("192.0.2.7")};
  CHECK_FALSE(ask(*hosts.b, question).contained);
  ask(*hosts.a, ListAdd{"banned", "192.0.2.0/24", Network::parse("192.0.2.0/24"), hours(1)});
  // A second is the promise; a busy machine gets more.
  CHECK(hosts.until([&] { return ask(*hosts.b, question).contained; }) < s(10));
  hosts.server.ask("config resetstat");
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 20'000; ++i) REQUIRE(ask(*hosts.b, question).contained);
  const auto took = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  // News twice a second, for both hosts' health not more than the lookups need.
  CHECK(static_cast<double>(script_calls(hosts.server)) <= 4 + 3 * took);
  ask(*hosts.b, ListRemove{"banned", "192.0.2.0/24"});
  CHECK_FALSE(ask(*hosts.b, question).contained);  // its own writes at once
  CHECK(hosts.until([&] { return !ask(*hosts.a, question).contained; }) < s(10));
}

TEST_CASE("redis store: a list is shown as it is now, not as it was when there were news", "[redis]") {
  NEEDS_REDIS();
  TwoHosts hosts;
  StateQuery everything;
  everything.kind = StateEntry::Kind::List;
  ask(*hosts.b, ListContains{"l", "x", {}});  // its news are fresh
  ask(*hosts.a, ListAdd{"l", "of another host", {}, {}});
  CHECK(hosts.b->show(everything).size() == 1);
  CHECK(hosts.b->forget(StateEntry::Kind::List, "") == 1);

  RedisSingle w;
  ask(w.store, ListAdd{"l", "x", {}, hours(1)});
  ask(w.store, ListContains{"l", "x", {}});
  w.clock.advance(-minutes(20));
  const auto entries = w.store.show(everything);
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].first == w.clock.now());
  CHECK(entries[0].expires == w.clock.now() + hours(1));
}

TEST_CASE("redis store: a list is the same for who comes late, however much has changed", "[redis]") {
  NEEDS_REDIS();
  TwoHosts hosts;
  ask(*hosts.b, ListContains{"l", "x", {}});
  for (int part = 0; part < 10; ++part) {
    std::vector<StateOp> ops;
    for (int i = 0; i < 300; ++i)
      ops.emplace_back(ListAdd{"l", "value" + std::to_string(part * 300 + i), {}, {}});
    ask_all(*hosts.a, ops);
  }
  CHECK(hosts.until([&] { return ask(*hosts.b, ListContains{"l", "value2999", {}}).contained; }) <
        s(10));
  for (const char* value : {"value0", "value1500", "value2998"})
    CHECK(ask(*hosts.b, ListContains{"l", value, {}}).contained);
  StateQuery query;
  query.kind = StateEntry::Kind::List;
  query.limit = 10'000;
  CHECK(hosts.b->show(query).size() == 3000);
}

TEST_CASE("redis store: a reset or grant on one host frees the senders of another soon", "[redis]") {
  NEEDS_REDIS();
  TwoHosts hosts;
  for (ReservationId id = 1; id <= 10; ++id) settle(*hosts.a, reserve(id, "k", kTen));
  ReservationId id = 100;
  const auto passes = [&] { return ask(*hosts.b, peek(reserve(++id, "k", kTen))).granted; };
  CHECK_FALSE(passes());
  CHECK(hosts.a->forget(StateEntry::Kind::Limit, "limit k") == 1);
  CHECK(hosts.until(passes) < s(10));
  for (int i = 0; i < 10; ++i) settle(*hosts.a, reserve(++id, "k", kTen));
  CHECK(hosts.until([&] { return !passes(); }) < s(10));
  CHECK(hosts.a->grant("limit k", 5, hours(1)) == 1);
  CHECK(hosts.until(passes) < s(10));
}

TEST_CASE("redis store: hosts with different peppers are told, not silently apart", "[redis]") {
  NEEDS_REDIS();
  RedisProcess server;
  RedisOptions options;
  options.servers = {server.address()};
  RedisStoreOptions one, other;
  one.pepper = std::string(32, 'a');
  other.pepper = std::string(32, 'b');
  const auto a = open_redis_store(options, one), b = open_redis_store(options, other);
  ask(*a, ListContains{"l", "x", {}});
  ask(*b, ListContains{"l", "x", {}});
  CHECK_FALSE(a->health().degraded);
  CHECK(b->health().degraded);
  CHECK(b->health().what.find("another pepper_file") != std::string::npos);
}

// What Redis holds names nobody unless names are wanted.
TEST_CASE("redis store: keys are hashed, have a lifetime, and names can be switched off", "[redis]") {
  NEEDS_REDIS();
  RedisStoreOptions options;
  options.names = false;
  options.pepper = std::string(32, 'p');
  RedisSingle w(options);
  auto& server = RedisSingle::servers().server;
  settle(w.store, reserve(1, "policy/limit/alice@example.com", kTen));
  ask(w.store, GreylistRecord{"policy/greylist/alice@example.com", "alice@example.com", kRetryWithin});
  ask(w.store,
      GreylistPromote{"policy/greylist/bob", "bob", kRemember, "policy/auto/bob", 3, hours(1)});
  ask(w.store, SeenRecord{"alice", hours(1)});
  const auto keys = server.ask("keys '*'");
  CHECK(keys.find("alice") == std::string::npos);
  std::istringstream lines(keys);
  std::set<char> kinds;
  for (std::string key; std::getline(lines, key);) {
    INFO(key);
    CHECK(key.substr(0, 4) == "sl:{");
    kinds.insert(key[7]);
    if (key.find("lists:") == std::string::npos)
      CHECK(std::atoll(server.ask("pttl '" + key + "'").c_str()) > 0);
    CHECK(server.ask("--raw dump '" + key + "'").find("alice") == std::string::npos);
  }
  CHECK(kinds == std::set<char>{'t', 'l', 'h', 'g', 'a', 's', 'a', 'l'});
  const auto first_seen = std::atoll(server.ask("pttl " + w.opened->shown_key(RedisKind::Greylist, "policy/greylist/alice@example.com")).c_str());
  const auto limit = std::atoll(server.ask("pttl " + w.key("policy/limit/alice@example.com")).c_str());
  const auto passed = std::atoll(server.ask("pttl " + w.opened->shown_key(RedisKind::Greylist, "policy/greylist/bob")).c_str());
  CHECK(first_seen < limit);
  CHECK(limit < passed);
}

TEST_CASE("redis store: while Redis is away nothing is known, and new passes are written when it is back",
          "[redis]") {
  NEEDS_REDIS();
  RedisProcess server;
  RedisOptions options;
  options.servers = {server.address()};
  const auto store = open_redis_store(options);
  settle(*store, reserve(1, "k", kTen));
  server.stop(SIGKILL);
  std::vector<StateOp> ops{reserve(2, "k", kTen), GreylistLook{"g", "", kDelay, kRetryWithin},
                           Seen{"s"}, ListContains{"l", "v", {}}};
  StateAnswer answer;
  for (const auto& op : ops) CHECK_FALSE(ask(*store, op).available);
  CHECK_FALSE(store->health().available);
  ask(*store, GreylistPromote{"g", "entry", kRemember, "", 0, {}});
  CHECK(store->counts().kept_passes == 1);
  CHECK(store->health().what.find("1 greylist passes wait") != std::string::npos);
  server.start();
  wait_until_there(*store);
  for (int i = 0; i < 400 && store->counts().kept_passes > 0; ++i) {
    ask(*store, Seen{"s"});
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  CHECK(ask(*store, GreylistLook{"g", "", kDelay, kRetryWithin}).greylist == GreylistState::Passed);
  CHECK(store->counts().kept_passes == 0);
}

TEST_CASE("redis store: a write whose outcome is unknown is unsure and happens once at most",
          "[redis]") {
  NEEDS_REDIS();
  RedisProcess server;
  RedisOptions options;
  options.servers = {server.address()};
  const auto patient = open_redis_store(options);
  options.timeout = Duration{100};
  auto client = open_redis_client(options);
  REQUIRE(client);
  const auto store = std::make_unique<RedisStore>(std::move(*client), RedisStoreOptions{});
  wait_until_there(*store);
  server.send(SIGSTOP);
  const auto op = reserve(1, "k", kTen, 3);
  const auto answer = ask(*store, commit(op));
  CHECK_FALSE(answer.available);
  CHECK(answer.unsure);
  server.send(SIGCONT);
  wait_until_there(*store);
  const auto used = ask(*patient, peek(reserve(2, "k", kTen))).used;
  CHECK((used == 0 || used == 3));
}

// Nobody may be deferred for ever because he cannot be remembered (rmilter #127).
TEST_CASE("redis store: on a server without memory first contacts pass, and what is known stays known",
          "[redis]") {
  NEEDS_REDIS();
  RedisProcess server("maxmemory-policy noeviction");
  RedisOptions options;
  options.servers = {server.address()};
  const auto store = open_redis_store(options);
  const GreylistLook known{"known", "", kDelay, kRetryWithin}, fresh{"fresh", "", kDelay, kRetryWithin};
  ask(*store, GreylistPromote{"known", "entry", kRemember, "", 0, {}});
  CHECK(ask(*store, fresh).available);
  server.ask("config set maxmemory 1");
  CHECK_FALSE(ask(*store, fresh).available);
  CHECK(ask(*store, known).greylist == GreylistState::Passed);
  const auto answer = ask(*store, commit(reserve(1, "k", kTen)));
  CHECK_FALSE(answer.available);
  // The same in one call.
  const auto together = ask_all(*store, {commit(reserve(1, "k", kTen)), known, fresh});
  CHECK_FALSE(together[0].available);
  CHECK_FALSE(together[0].unsure);
  CHECK(together[1].greylist == GreylistState::Passed);
  CHECK_FALSE(together[2].available);
  server.ask("config set maxmemory 0");
  CHECK(ask(*store, fresh).available);
  CHECK(ask(*store, peek(reserve(2, "k", kTen))).used == 0);
}

TEST_CASE("redis store: whatever stands in Redis, the answer is an answer or `not available`",
          "[redis]") {
  NEEDS_REDIS();
  RedisSingle w;
  auto& server = RedisSingle::servers().server;
  const auto limit = w.key("k"), holds = w.opened->shown_key(RedisKind::Holds, "k"),
             values = w.opened->shown_key(RedisKind::Values, "k"),
             greylist = w.opened->shown_key(RedisKind::Greylist, "k"),
             seen = w.opened->shown_key(RedisKind::Seen, "k"),
             allowed = w.opened->shown_key(RedisKind::AutoAllow, "k");
  const std::vector<std::string> wrongs{
      "set KEY garbage", "set KEY ''", "lpush KEY a", "hset KEY f v",
      // Packed, but not by us: numbers, a map, an array of another version, one with text for numbers.
      "--raw set KEY \"$(printf '\\\\x93\\\\x01\\\\x02\\\\x03')\"",
      "--raw set KEY \"$(printf '\\\\x97\\\\x01\\\\xa1a\\\\xa1b\\\\xa1c\\\\xa1d\\\\xa1e\\\\x95\\\\x01\\\\xa1x\\\\x00\\\\x00\\\\x01')\"",
      "--raw set KEY \"$(printf '\\\\x81\\\\x01\\\\x02')\"", "zadd KEY 1 a"};
  const auto all = [&] {
    auto op = reserve_value(1, "k", kTen, "v");
    return std::vector<StateOp>{op,
                                reserve(2, "k", kTen),
                                commit(op),
                                release(op),
                                renew(op),
                                peek(op),
                                GreylistLook{"k", "k", kDelay, kRetryWithin},
                                GreylistRecord{"k", "n", kRetryWithin},
                                GreylistPromote{"k", "n", kRemember, "k", 1, hours(1)},
                                Seen{"k"},
                                SeenRecord{"k", hours(1)},
                                ListContains{"k", "k", {}},
                                ListAdd{"k", "k", {}, {}},
                                ListRemove{"k", "k"}};
  };
  std::size_t unavailable = 0;
  for (const auto& key : {limit, holds, values, greylist, seen, allowed, RedisKeys::clock(0),
                          RedisKeys::shared(RedisKeys::Shared::Entries),
                          RedisKeys::shared(RedisKeys::Shared::Changes),
                          RedisKeys::shared(RedisKeys::Shared::State)}) {
    for (auto wrong : wrongs) {
      server.ask("flushall");
      wrong.replace(wrong.find("KEY"), 3, "'" + key + "'");
      server.ask(wrong);
      for (const auto& op : all()) unavailable += ask(w.store, op).available ? 0 : 1;
      for (const auto kind : {StateEntry::Kind::Limit, StateEntry::Kind::Greylist,
                              StateEntry::Kind::List, StateEntry::Kind::Seen}) {
        StateQuery query;
        query.kind = kind;
        w.store.show(query);
      }
    }
  }
  CHECK(unavailable > 100);
  server.ask("flushall");
  for (const auto& op : all()) CHECK(ask(w.store, op).available);
}

TEST_CASE("redis store: a pepper is read from a file that others cannot read", "[redis]") {
  TemporaryFolder folder;
  const auto path = (folder.path() / "pepper").string();
  CHECK_FALSE(read_pepper(path));
  std::ofstream(path) << std::string(31, 'x');
  std::filesystem::permissions(path, std::filesystem::perms(0600));
  CHECK_FALSE(read_pepper(path));
  std::ofstream(path) << std::string(32, 'x');
  REQUIRE(read_pepper(path));
  CHECK(*read_pepper(path) == std::string(32, 'x'));
  std::filesystem::permissions(path, std::filesystem::perms(0644));
  CHECK_FALSE(read_pepper(path));
}

TEST_CASE("redis store: keys differ by pepper, spread over the groups and keep to one slot", "[redis]") {
  const RedisKeys keys(std::string(32, 'a')), other(std::string(32, 'b'));
  std::set<unsigned> groups;
  std::set<std::string> all;
  for (int i = 0; i < 5000; ++i) {
    const auto place = keys.place("key" + std::to_string(i));
    groups.insert(place.group);
    const auto limit = RedisKeys::key(place, RedisKind::Limit);
    CHECK(limit.size() == 28);
    const auto tag = limit.substr(0, limit.find('}'));
    CHECK(RedisKeys::key(place, RedisKind::Values).substr(0, tag.size()) == tag);
    CHECK(RedisKeys::clock(place.group).substr(0, tag.size()) == tag);
    all.insert(limit);
  }
  CHECK(groups.size() == kRedisGroups);
  CHECK(all.size() == 5000);
  CHECK(RedisKeys::key(keys.place("k"), RedisKind::Limit) !=
        RedisKeys::key(other.place("k"), RedisKind::Limit));
}

}  // namespace
}  // namespace sluice::backends
