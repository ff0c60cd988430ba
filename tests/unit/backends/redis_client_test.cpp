// RedisClient against servers that answer as the test tells them.
#include "backends/redis_client.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>

#include "../../free_port.h"
#include "backends/redis_breaker.h"
#include "backends/redis_caller.h"
#include "backends/redis_slot.h"
#include "fake_redis.h"

using namespace sluice;
using namespace sluice::backends;
using Steady = std::chrono::steady_clock;

namespace {

const RedisScript kScript = make_redis_script("return ARGV[1]");
// A late machine is no failure: `done` may come that much after the client's timeout, and at least
// half of many calls come in the short time.
constexpr Duration kGrace{20'000}, kShortGrace{400};

struct Timed {
  std::vector<RedisResult> results;
  Duration took{0};
  const RedisResult& only() const { return results.at(0); }
};

struct Client {
  std::unique_ptr<RedisClient> client;
  explicit Client(const RedisOptions& options) : client(std::move(*open_redis_client(options))) {}
  explicit Client(const FakeRedis& server) : Client(servers({server.at()})) {}

  // Patient, so that a late machine is no failure; what is about time says its own.
  static RedisOptions servers(std::vector<std::string> list, Duration timeout = Duration{20'000}) {
    RedisOptions options;
    options.servers = std::move(list);
    options.timeout = options.connect_timeout = timeout;
    return options;
  }
  Timed call(std::vector<std::string> keys = {"sl:{a}"}, bool is_repeatable = false) const {
    std::vector<RedisCall> calls;
    for (std::string& key : keys)
      calls.push_back({&kScript, {std::move(key)}, {"7"}, is_repeatable});
    std::promise<std::vector<RedisResult>> promise;
    const auto begun = Steady::now();
    client->call(std::move(calls), [&](auto results) { promise.set_value(std::move(results)); });
    Timed timed{promise.get_future().get(), {}};
    timed.took = std::chrono::duration_cast<Duration>(Steady::now() - begun);
    return timed;
  }
  // Waits until the client stands, or for a while.
  const Client& ready() const {
    return until([&] { return client->health().available; });
  }
  // Waits until it stands with this server: another may have answered earlier.
  const Client& ready(const FakeRedis& server) const {
    return until([&] {
      const auto nodes = client->health().nodes;
      return std::any_of(nodes.begin(), nodes.end(), [&](const RedisNodeHealth& node) {
        return node.at == server.at() && node.connected && node.role == "master";
      });
    });
  }
  // Calls until one is refused for this reason: the first ones may come before anybody knows it.
  Timed call_until(const std::string& why) const {
    Timed timed;
    until([&] {
      timed = call();
      return timed.only().why.find(why) != std::string::npos;
    });
    return timed;
  }

 private:
  template <class Condition>
  const Client& until(Condition&& holds) const {
    const auto end = Steady::now() + std::chrono::seconds(60);
    while (!holds() && Steady::now() < end) std::this_thread::sleep_for(Duration{5});
    return *this;
  }
};

Reaction well(const Words& words) {
  if (FakeRedis::is_greeting(words)) return {FakeRedis::greeting(words)};
  return {":" + words.back() + "\r\n"};
}
FakeRedis::Behaviour answering(Reaction reaction) {
  return [reaction](const Words& words) {
    return FakeRedis::is_greeting(words) ? well(words) : reaction;
  };
}

}  // namespace

TEST_CASE("redis client: answers come in the order of the calls, and none means none") {
  FakeRedis server(well);
  const Client client(server);
  client.ready();
  std::vector<std::string> keys;
  for (int i = 0; i < 50; ++i) keys.push_back("sl:{" + std::to_string(i) + "}");
  const Timed many = client.call(keys);
  REQUIRE(many.results.size() == 50);
  for (const RedisResult& result : many.results) {
    REQUIRE(result.outcome == RedisOutcome::Answered);
    REQUIRE(result.reply.integer == 7);
  }
  CHECK(client.call({}).results.empty());
  CHECK(client.client->health().calls == 50);
  CHECK(client.client->health().errors == 0);
}

TEST_CASE("redis client: the error of a script is its answer") {
  FakeRedis server(
      answering({"-WRONGTYPE Operation against a key script: 1f, on @user_script:1.\r\n"}));
  const Client client(server);
  const Timed call = client.ready().call();
  REQUIRE(call.only().outcome == RedisOutcome::Answered);
  CHECK(call.only().reply.kind == RedisReply::Kind::Error);
  CHECK(call.only().reply.text.substr(0, 9) == "WRONGTYPE");
  CHECK(client.client->health().errors == 1);
}

TEST_CASE("redis client: a script that the server does not know is sent whole, once") {
  FakeRedis server([](const Words& words) -> Reaction {
    if (words[0] == "EVALSHA") return {"-NOSCRIPT No matching script. Please use EVAL.\r\n"};
    return well(words);
  });
  const Client client(server);
  const Timed call = client.ready().call();
  CHECK(call.only().reply.integer == 7);
  REQUIRE(server.calls().size() == 2);
  CHECK(server.calls()[1][1] == kScript.source);
  CHECK(client.client->health().scripts_sent == 1);
}

TEST_CASE("redis client: refusals are not done, and not asked for twice") {
  for (const std::string error :
       {"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        "-NOREPLICAS Not enough good replicas to write.\r\n", "-MISCONF no disk\r\n",
        "-LOADING Redis is loading the dataset in memory\r\n", "-BUSY Redis is busy\r\n",
        "-CLUSTERDOWN The cluster is down\r\n", "-MASTERDOWN Link with MASTER is down\r\n",
        "-CROSSSLOT Keys in request don't hash to the same slot\r\n",
        "-NOPERM this user has no permissions\r\n", "-NOAUTH Authentication required.\r\n",
        "-ERR The user executing the script can't run this command or subcommand\r\n"}) {
    INFO(error);
    FakeRedis server(answering({error}));
    const Client client(server);
    const Timed call = client.ready().call();
    CHECK(call.only().outcome == RedisOutcome::NotDone);
    CHECK(call.only().why.find(error.substr(1, 8)) != std::string::npos);
    CHECK(server.calls().size() == 1);
    CHECK(client.client->health().degraded);
  }
}

TEST_CASE("redis client: no answer, half of one, or one in drips is unknown, in time") {
  const std::string huge = "$8000000\r\n" + std::string(100'000, 'x');
  const Reaction reactions[] = {{},
                                {"$5\r\nab"},
                                {"*2\r\n:1\r\n"},
                                {":12345678\r\n", false, 1, Duration{60}},
                                {huge, false, 1'000, Duration{5}}};
  for (const Reaction& reaction : reactions) {
    INFO(reaction.bytes.substr(0, 10));
    FakeRedis server(answering(reaction));
    const Client client(Client::servers({server.at()}, Duration{100}));
    const Timed call = client.ready().call();
    CHECK(call.only().outcome == RedisOutcome::Unknown);
    CHECK(call.took >= Duration{99});
    CHECK(call.took <= Duration{100} + kGrace);
    CHECK(server.count("EVALSHA") == 1);
  }
}

TEST_CASE(
    "redis client: garbage, a reply that is too large and a closed connection are unknown, at "
    "once") {
  const Reaction reactions[] = {{"HTTP/1.1 400 Bad Request\r\n\r\n"},
                                {"*400001\r\n"},
                                {"$99999999\r\n"},
                                {"", true},
                                {"$5\r\nab", true}};
  for (const Reaction& reaction : reactions) {
    INFO(reaction.bytes);
    FakeRedis server(answering(reaction));
    const Client client(server);
    client.ready();
    const Timed call = client.call();
    CHECK(call.only().outcome == RedisOutcome::Unknown);
    CHECK_FALSE(call.only().why.empty());
    CHECK(server.count("EVALSHA") == 1);
  }
}

TEST_CASE("redis client: what may be repeated is sent again when the connection broke") {
  // The new connection has to stand within kMaxRedisQueueWait: a busy machine may need several tries.
  bool is_repeated = false;
  for (int tries = 0; tries < 30 && !is_repeated; ++tries) {
    std::atomic<int> calls{0};
    FakeRedis server([&](const Words& words) -> Reaction {
      if (FakeRedis::is_greeting(words)) return well(words);
      return ++calls == 1 ? Reaction{"", true} : Reaction{":7\r\n"};
    });
    const Client client(server);
    client.ready();
    // A connection that has lasted is made again at once.
    std::this_thread::sleep_for(Duration{1'050});
    const Timed call = client.call({"sl:{a}"}, true);
    INFO(call.only().why);
    is_repeated = call.only().outcome == RedisOutcome::Answered;
    CHECK(calls == (is_repeated ? 2 : 1));
    if (is_repeated) CHECK(client.client->health().reconnects == 1);
  }
  CHECK(is_repeated);
}

TEST_CASE("redis client: nobody there is not done, at once") {
  const std::string at = "127.0.0.1:" + std::to_string(sluice::testing::free_port());
  const Client client(Client::servers({at}));
  int quick = 0;
  for (int i = 0; i < 20; ++i) {
    const Timed call = client.call();
    CHECK(call.only().outcome == RedisOutcome::NotDone);
    quick += call.took <= kMaxRedisQueueWait + kShortGrace ? 1 : 0;
  }
  CHECK(quick >= 10);
  CHECK_FALSE(client.client->health().available);
}

TEST_CASE("redis client: a server that accepts and never speaks costs no call its timeout") {
  FakeRedis server([](const Words&) -> Reaction { return {}; });
  const Client client(Client::servers({server.at()}, Duration{100}));
  for (int i = 0; i < 10; ++i) {
    const Timed call = client.call();
    CHECK(call.only().outcome == RedisOutcome::NotDone);
    std::this_thread::sleep_for(Duration{20});
  }
  CHECK(server.count("EVALSHA") == 0);
}

TEST_CASE("redis client: after five calls without answer the breaker is open, later it closes") {
  std::atomic<bool> is_silent{true};
  FakeRedis server([&](const Words& words) -> Reaction {
    if (!FakeRedis::is_greeting(words) && is_silent) return {};
    return well(words);
  });
  const Client client(Client::servers({server.at()}, Duration{100}));
  client.ready();
  const Timed lost = client.call({"{a}", "{b}", "{c}", "{d}", "{e}"});
  for (const RedisResult& result : lost.results) CHECK(result.outcome == RedisOutcome::Unknown);
  int silent_calls = 0;
  const auto begun = Steady::now();
  for (int i = 0; i < 20; ++i) {
    const Timed call = client.call();
    // Probes may be lost; all others are refused without a wait.
    silent_calls += call.only().outcome == RedisOutcome::Unknown ? 1 : 0;
  }
  const auto took = std::chrono::duration_cast<Duration>(Steady::now() - begun);
  CHECK(silent_calls <= 8 + took / RedisBreaker::kProbeEvery);
  is_silent = false;
  bool is_back = false;
  for (int i = 0; i < 5'000 && !is_back; ++i) {
    is_back = client.call().only().outcome == RedisOutcome::Answered;
    std::this_thread::sleep_for(Duration{10});
  }
  CHECK(is_back);
  CHECK(client.call().only().outcome == RedisOutcome::Answered);
}

TEST_CASE("redis client: no more than a thousand commands are on the way") {
  FakeRedis server(answering({}));
  const Client client(Client::servers({server.at()}, Duration{300}));
  client.ready();
  const Timed call = client.call(std::vector<std::string>(kMaxRedisQueue + 50, "{a}"));
  const auto count = [&](RedisOutcome outcome) {
    return std::count_if(call.results.begin(), call.results.end(),
                         [&](const RedisResult& each) { return each.outcome == outcome; });
  };
  CHECK(count(RedisOutcome::Unknown) == static_cast<long>(kMaxRedisQueue));
  CHECK(count(RedisOutcome::NotDone) == 50);
}

TEST_CASE("redis client: a replica among the servers is not used, the next one is") {
  FakeRedis replica([](const Words& words) -> Reaction {
    if (words[0] == "ROLE")
      return {"*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:1\r\n$9\r\nconnected\r\n:7\r\n"};
    return well(words);
  });
  FakeRedis master(well);
  const Client client(Client::servers({replica.at(), master.at()}));
  client.ready();
  CHECK(client.call().only().outcome == RedisOutcome::Answered);
  CHECK(replica.calls().empty());
  const Client alone(Client::servers({replica.at()}));
  const Timed call = alone.call_until("it is a replica");
  CHECK(call.only().outcome == RedisOutcome::NotDone);
  CHECK(call.only().why.find("it is a replica") != std::string::npos);
}

TEST_CASE(
    "redis client: a master that became a replica is left, its refused call is done elsewhere") {
  std::atomic<bool> is_demoted{false};
  FakeRedis first([&](const Words& words) -> Reaction {
    if (is_demoted && !FakeRedis::is_greeting(words))
      return {"-READONLY You can't write against a read only replica.\r\n"};
    if (is_demoted && words[0] == "ROLE")
      return {"*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:1\r\n$9\r\nconnected\r\n:7\r\n"};
    return well(words);
  });
  FakeRedis second(well);
  const Client client(Client::servers({first.at(), second.at()}));
  client.ready(first).ready(second);
  REQUIRE(client.call().only().outcome == RedisOutcome::Answered);
  is_demoted = true;
  CHECK(client.call().only().outcome == RedisOutcome::Answered);
  CHECK(second.count("EVALSHA") == 1);
  CHECK(client.client->health().followed == 1);
}

namespace {

// Two masters of a Cluster that share the slots by halves; what they answer to calls is the test's.
struct FakeCluster {
  FakeRedis::Behaviour first_does = well, second_does = well;
  std::atomic<int> maps{0};
  FakeRedis first{[this](const Words& words) { return behave(words, first_does); }};
  FakeRedis second{[this](const Words& words) { return behave(words, second_does); }};

  Reaction behave(const Words& words, const FakeRedis::Behaviour& does) {
    if (words[0] != "CLUSTER") return does(words);
    ++maps;
    return {"*2\r\n" + range(0, 8191, first) + range(8192, 16383, second)};
  }
  static std::string range(int from, int to, const FakeRedis& at) {
    return "*3\r\n:" + std::to_string(from) + "\r\n:" + std::to_string(to) +
           "\r\n*3\r\n$9\r\n127.0.0.1\r\n:" + std::to_string(at.port()) + "\r\n$2\r\nid\r\n";
  }
  RedisOptions options() const {
    RedisOptions made;
    made.cluster = {first.at()};
    made.timeout = made.connect_timeout = Duration{20'000};
    return made;
  }
};
const std::string kInFirst = "{hash_tag}";  // slot 2515
const std::string kInSecond = "{foo}";      // slot 12182

}  // namespace

TEST_CASE("redis client: in a Cluster each call goes to the master of its slot") {
  FakeCluster cluster;
  const Client client(cluster.options());
  client.ready();
  const Timed call = client.call({kInFirst, kInSecond, kInFirst});
  for (const RedisResult& result : call.results) CHECK(result.outcome == RedisOutcome::Answered);
  CHECK(cluster.first.count("EVALSHA") == 2);
  CHECK(cluster.second.count("EVALSHA") == 1);
}

TEST_CASE("redis client: MOVED is followed and remembered") {
  FakeCluster cluster;
  cluster.first_does = [&](const Words& words) -> Reaction {
    if (FakeRedis::is_greeting(words)) return well(words);
    return {"-MOVED 2515 " + cluster.second.at() + "\r\n"};
  };
  const Client client(cluster.options());
  client.ready();
  CHECK(client.call({kInFirst}).only().outcome == RedisOutcome::Answered);
  CHECK(client.call({kInFirst}).only().outcome == RedisOutcome::Answered);
  CHECK(client.client->health().moved >= 1);
  CHECK(cluster.second.count("EVALSHA") == 2);
}

TEST_CASE("redis client: servers that send a call round and round are given up after three hops") {
  FakeCluster cluster;
  const auto moved_to = [](const FakeRedis& other) {
    return [&other](const Words& words) -> Reaction {
      if (FakeRedis::is_greeting(words)) return well(words);
      return {"-MOVED 2515 " + other.at() + "\r\n"};
    };
  };
  cluster.first_does = moved_to(cluster.second);
  cluster.second_does = moved_to(cluster.first);
  const Client client(cluster.options());
  client.ready();
  const Timed call = client.call({kInFirst});
  CHECK(call.only().outcome == RedisOutcome::NotDone);
  CHECK(cluster.first.count("EVALSHA") + cluster.second.count("EVALSHA") == 4);
  // The map is asked for no more often than every 100 ms, whatever the servers say.
  const int before = cluster.maps;
  const auto begun = Steady::now();
  for (int i = 0; i < 200; ++i) client.call({kInFirst});
  const auto took = std::chrono::duration_cast<Duration>(Steady::now() - begun);
  CHECK(cluster.maps - before <= took.count() / 100 + 2);
}

TEST_CASE("redis client: ASK is followed behind ASKING, and not remembered") {
  FakeCluster cluster;
  cluster.first_does = [&](const Words& words) -> Reaction {
    if (FakeRedis::is_greeting(words)) return well(words);
    return {"-ASK 2515 " + cluster.second.at() + "\r\n"};
  };
  cluster.second_does = [&](const Words& words) -> Reaction {
    if (words[0] == "ASKING") return {"+OK\r\n"};
    if (words[0] == "EVALSHA") return {"-NOSCRIPT No matching script. Please use EVAL.\r\n"};
    return well(words);
  };
  const Client client(cluster.options());
  client.ready();
  CHECK(client.call({kInFirst}).only().outcome == RedisOutcome::Answered);
  const auto calls = cluster.second.calls();
  std::vector<std::string> commands;
  for (const Words& words : calls)
    if (words[0] != "CLUSTER") commands.push_back(words[0]);
  CHECK(commands == std::vector<std::string>{"ASKING", "EVALSHA", "ASKING", "EVAL"});
  CHECK(client.call({kInFirst}).only().outcome == RedisOutcome::Answered);
  CHECK(cluster.first.count("EVALSHA") + cluster.first.count("EVAL") == 2);
  CHECK(client.client->health().asked == 2);
}

TEST_CASE("redis client: TRYAGAIN is tried three times more, ten milliseconds apart") {
  FakeCluster cluster;
  std::atomic<int> refusals{3};
  cluster.first_does = [&](const Words& words) -> Reaction {
    if (FakeRedis::is_greeting(words)) return well(words);
    if (refusals-- > 0) return {"-TRYAGAIN Multiple keys request during rehashing of slot\r\n"};
    return well(words);
  };
  const Client client(cluster.options());
  client.ready();
  const Timed done = client.call({kInFirst});
  CHECK(done.only().outcome == RedisOutcome::Answered);
  CHECK(done.took >= Duration{30});
  refusals = 1'000;
  CHECK(client.call({kInFirst}).only().outcome == RedisOutcome::NotDone);
  CHECK(cluster.first.count("EVALSHA") == 8);
}

TEST_CASE("redis client: a slot whose move was broken off costs one call its tries, not all") {
  FakeCluster cluster;
  std::atomic<bool> is_divided{true};
  cluster.first_does = [&](const Words& words) -> Reaction {
    if (FakeRedis::is_greeting(words) || !is_divided) return well(words);
    return {"-TRYAGAIN Multiple keys request during rehashing of slot\r\n"};
  };
  const Client client(cluster.options());
  client.ready();
  CHECK(client.call({kInFirst}).only().outcome == RedisOutcome::NotDone);
  const std::size_t tries = cluster.first.count("EVALSHA");
  CHECK(tries == 4);
  const auto begun = Steady::now();
  std::size_t calls = 0;
  while (calls < 20 && Steady::now() - begun < kRedisDividedFor / 2) {
    const Timed refused = client.call({kInFirst});
    CHECK(refused.only().outcome == RedisOutcome::NotDone);
    CHECK(refused.only().why.find("TRYAGAIN") != std::string::npos);
    ++calls;
  }
  CHECK(calls > 0);
  CHECK(cluster.first.count("EVALSHA") == tries + calls);
  CHECK(client.call({kInSecond}).only().outcome == RedisOutcome::Answered);
  CHECK(client.client->health().what.find("last not done: " + cluster.first.at() + ": TRYAGAIN") !=
        std::string::npos);
  is_divided = false;
  CHECK(client.call({kInFirst}).only().outcome == RedisOutcome::Answered);
}

TEST_CASE("redis client: an ASK or MOVED that points nowhere ends the call") {
  for (const std::string error :
       {"-MOVED 2515 db1.example:7000\r\n", "-MOVED\r\n", "-ASK x y\r\n"}) {
    FakeCluster cluster;
    cluster.first_does = [&](const Words& words) -> Reaction {
      return FakeRedis::is_greeting(words) ? well(words) : Reaction{error};
    };
    const Client client(cluster.options());
    client.ready();
    CHECK(client.call({kInFirst}).only().outcome == RedisOutcome::NotDone);
  }
}

TEST_CASE("redis client: a wrong password is said, and not tried again and again") {
  FakeRedis server([](const Words& words) -> Reaction {
    if (words[0] == "AUTH")
      return {"-WRONGPASS invalid username-password pair or user is disabled.\r\n"};
    return {"-NOAUTH Authentication required.\r\n"};
  });
  std::string file = std::filesystem::temp_directory_path() / "sluice-redis-XXXXXX";
  ::close(::mkstemp(file.data()));
  std::ofstream(file) << "wrong\n";
  RedisOptions options = Client::servers({server.at()});
  options.username = "sluice";
  options.password_file = file;
  const Client client(options);
  const Timed call = client.call_until("WRONGPASS");
  CHECK(call.only().outcome == RedisOutcome::NotDone);
  CHECK(call.only().why.find("WRONGPASS") != std::string::npos);
  CHECK(call.only().why.find("wrong\n") == std::string::npos);
  CHECK(server.accepted() == 1);
  std::filesystem::remove(file);
}

TEST_CASE("redis client: after a wrong password and a broken attempt behind it, it goes on") {
  // Refused; then, behind the rest, dropped while it greets; then dropped when all is well but
  // nothing was asked yet; then there for good.
  std::atomic<int> greetings{0};
  FakeRedis server([&](const Words& words) -> Reaction {
    if (words[0] == "PING" && ++greetings == 1) return {"-WRONGPASS invalid username-password\r\n"};
    if (words[0] == "PING" && greetings == 2) return {"", true};
    if (words[0] == "ROLE" && greetings == 3) return {FakeRedis::greeting(words), true};
    return well(words);
  });
  const Client client(server);
  bool is_answered = false;
  for (int i = 0; i < 600 && !is_answered; ++i) {
    is_answered = client.call().only().outcome == RedisOutcome::Answered;
    if (!is_answered) std::this_thread::sleep_for(Duration{100});
  }
  CHECK(is_answered);
  CHECK(greetings >= 4);
}

TEST_CASE("redis client: it may go while calls are on the way, and each is answered") {
  FakeRedis server(answering({}));
  std::atomic<int> done{0};
  {
    const Client client(server);
    client.ready();
    for (int i = 0; i < 100; ++i)
      client.client->call({{&kScript, {"{a}"}, {"1"}, false}}, [&](const auto& results) {
        REQUIRE(results.size() == 1);
        ++done;
      });
  }
  CHECK(done == 100);
}

TEST_CASE("redis client: many threads call at once") {
  FakeRedis server(well);
  const Client client(server);
  client.ready();
  std::atomic<int> answered{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i)
        if (client.call({"{a}", "{b}"}).results[1].outcome == RedisOutcome::Answered) ++answered;
    });
  for (std::thread& each : threads) each.join();
  CHECK(answered == 800);
}

TEST_CASE("redis client: the log says that a server goes, and that another is used instead") {
  std::mutex mutex;
  std::string log;
  const auto said = [&](const std::string& text) {
    const std::lock_guard lock(mutex);
    return log.find(text) != std::string::npos;
  };
  auto first = std::make_unique<FakeRedis>(well);
  const FakeRedis second(well);
  const std::string at = first->at();
  RedisOptions options = Client::servers({at, second.at()});
  options.log = [&](const std::string& line) {
    const std::lock_guard lock(mutex);
    log += line + "\n";
  };
  const Client client(options);
  const auto wait_for = [&](const std::string& text) {
    for (int i = 0; i < 12'000 && !said(text); ++i) {
      client.call();
      std::this_thread::sleep_for(Duration{5});
    }
    INFO(log);
    CHECK(said(text));
  };
  client.ready(*first);
  wait_for("redis: " + at + " takes calls");
  first.reset();
  wait_for("redis: " + at + " takes no calls: ");
  wait_for("redis: uses " + second.at() + ", not " + at);
}

TEST_CASE("redis client: what a server refuses for want of memory stands in its health") {
  FakeRedis server(answering({"-OOM command not allowed when used memory > 'maxmemory'.\r\n"}));
  const Client client(server);
  client.ready().call();
  CHECK(client.client->health().what.find("OOM command not allowed") != std::string::npos);
}
