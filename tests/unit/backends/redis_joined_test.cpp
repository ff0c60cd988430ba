// Calls that go to a server as one command: what is joined, what becomes of each of them.
#include "backends/redis_joined.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>

#include "backends/redis_command.h"
#include "fake_redis.h"

using namespace sluice;
using namespace sluice::backends;

namespace {

const RedisScript kScript = make_redis_script("return ARGV");
const RedisScript kOther = make_redis_script("return 1");

RedisCall part(const std::string& key, const std::string& arg, bool is_repeatable = false,
               const std::string& head = "now") {
  return {&kScript, {key}, {arg}, is_repeatable, head};
}
std::vector<RedisCall> parts(int count) {
  std::vector<RedisCall> calls;
  for (int i = 0; i < count; ++i)
    calls.push_back(part("{" + std::to_string(i) + "}", std::to_string(i)));
  return calls;
}

// Each call has one key and one argument: EVALSHA, name, how many keys, keys, head, arguments.
std::size_t calls_in(const Words& words) { return std::stoul(words.at(2)); }
std::string argument(const Words& words, std::size_t call) {
  return words.at(3 + calls_in(words) + 1 + call);
}

Reaction well(const Words& words) {
  if (FakeRedis::is_greeting(words)) return {FakeRedis::greeting(words)};
  if (words[0] == "ASKING") return {"+OK\r\n"};
  std::string reply = "*" + std::to_string(calls_in(words)) + "\r\n";
  for (std::size_t i = 0; i < calls_in(words); ++i) reply += ":" + argument(words, i) + "\r\n";
  return {reply};
}
FakeRedis::Behaviour answering(const Reaction& reaction) {
  return [reaction](const Words& words) {
    return FakeRedis::is_greeting(words) ? well(words) : reaction;
  };
}

struct Client {
  std::unique_ptr<RedisClient> client;
  explicit Client(const FakeRedis& server, Duration timeout = Duration{2'000}) {
    RedisOptions options;
    options.servers = {server.at()};
    options.timeout = timeout;
    options.connect_timeout = Duration{2'000};
    open(options);
  }
  explicit Client(const RedisOptions& options) { open(options); }
  void open(const RedisOptions& options) {
    client = std::move(*open_redis_client(options));
    until([&] { return client->health().available; });
  }
  template <class Condition>
  static bool until(Condition&& holds) {
    for (int i = 0; i < 2'000 && !holds(); ++i) std::this_thread::sleep_for(Duration{5});
    return holds();
  }
  std::future<std::vector<RedisResult>> begin(std::vector<RedisCall> calls) const {
    auto promise = std::make_shared<std::promise<std::vector<RedisResult>>>();
    client->call(std::move(calls),
                 [promise](auto results) { promise->set_value(std::move(results)); });
    return promise->get_future();
  }
  std::vector<RedisResult> call(std::vector<RedisCall> calls) const {
    return begin(std::move(calls)).get();
  }
};

void check_numbers(const std::vector<RedisResult>& results) {
  for (std::size_t i = 0; i < results.size(); ++i) {
    INFO(i << ": " << results[i].why << results[i].reply.text);
    CHECK(results[i].outcome == RedisOutcome::Answered);
    CHECK(results[i].reply.integer == static_cast<std::int64_t>(i));
  }
}

}  // namespace

TEST_CASE("redis joined: calls of one script and head join, up to each of the bounds") {
  const RedisCall first = part("{a}", "1");
  const auto joined_up_to = [&](const RedisCall& more) {
    RedisJoin join(first);
    std::size_t calls = 1;
    for (; join.takes(more); ++calls) join.add(more);
    return calls;
  };
  CHECK(joined_up_to(part("{b}", "2")) == kMaxJoinedCalls);
  RedisCall many = part("{b}", "2");
  many.keys.assign(kMaxJoinedKeys / 4, "k");
  CHECK(joined_up_to(many) == 4);
  many = part("{b}", "2");
  many.args.assign(kMaxJoinedWords / 4, "x");
  CHECK(joined_up_to(many) == 4);
  CHECK(joined_up_to(part("{b}", std::string(kMaxJoinedBytes / 4, 'x'))) == 4);
  CHECK(joined_up_to(part("{b}", "2", false, "then")) == 1);
  CHECK(joined_up_to({&kScript, {"{b}"}, {"2"}, false, std::nullopt}) == 1);
  CHECK(joined_up_to({&kOther, {"{b}"}, {"2"}, false, "now"}) == 1);
}

TEST_CASE("redis joined: the command has all keys, the head, then all arguments") {
  const RedisCall a{&kScript, {"1", "2"}, {"x"}, false, "now"},
      b{&kScript, {"3"}, {"y", "z"}, false, "now"};
  CHECK(redis_script_command({&a, &b}, false) ==
        redis_command({"EVALSHA", kScript.sha1, "3", "1", "2", "3", "now", "x", "y", "z"}));
}

TEST_CASE("redis joined: a reply is split into as many parts as there are calls, or into none") {
  RedisReply reply;
  CHECK_FALSE(split_joined_reply(reply, 1));
  reply.kind = RedisReply::Kind::Array;
  reply.items.resize(3);
  CHECK_FALSE(split_joined_reply(reply, 2));
  CHECK_FALSE(split_joined_reply(reply, 4));
  CHECK(split_joined_reply(reply, 3)->size() == 3);
}

TEST_CASE("redis joined: the calls of a stage are one command, and each has its own answer") {
  FakeRedis server(well);
  const Client client(server);
  check_numbers(client.call(parts(static_cast<int>(kMaxJoinedCalls))));
  CHECK(server.count("EVALSHA") == 1);
  // One more than a command takes.
  check_numbers(client.call(parts(static_cast<int>(kMaxJoinedCalls) + 1)));
  CHECK(server.count("EVALSHA") == 3);
  const auto health = client.client->health();
  CHECK(health.calls == 2 * kMaxJoinedCalls + 1);
  CHECK(health.sent == 3);
  CHECK(health.errors == 0);
}

TEST_CASE("redis joined: what comes while others are on the way goes with the next command") {
  std::promise<void> go_on;
  const auto free = go_on.get_future().share();
  FakeRedis server([&](const Words& words) -> Reaction {
    if (!FakeRedis::is_greeting(words)) free.wait();
    return well(words);
  });
  const Client client(server, Duration{20'000});
  std::vector<std::future<std::vector<RedisResult>>> waiting;
  // An idle server is not waited for: the first ones go at once.
  for (std::uint64_t sent = 1; sent <= 2; ++sent) {
    waiting.push_back(client.begin(parts(1)));
    REQUIRE(Client::until([&] { return client.client->health().sent == sent; }));
  }
  for (int i = 0; i < 10; ++i) waiting.push_back(client.begin(parts(1)));
  REQUIRE(Client::until([&] { return client.client->health().calls == 12; }));
  CHECK(client.client->health().sent == 2);
  // What fills a command does not wait.
  waiting.push_back(client.begin(parts(static_cast<int>(kMaxJoinedCalls) - 10)));
  CHECK(Client::until([&] { return client.client->health().sent == 3; }));
  waiting.push_back(client.begin(parts(3)));
  waiting.push_back(client.begin(parts(4)));
  REQUIRE(Client::until([&] { return client.client->health().calls == 12 + 22 + 7; }));
  CHECK(client.client->health().sent == 3);
  go_on.set_value();
  for (auto& each : waiting) check_numbers(each.get());
  const auto calls = server.calls();
  REQUIRE(calls.size() == 4);
  CHECK(calls_in(calls[2]) == kMaxJoinedCalls);
  CHECK(calls_in(calls[3]) == 7);
}

TEST_CASE("redis joined: an error of one is judged for that one, and the others are answered") {
  FakeRedis server(
      answering({"*5\r\n:0\r\n-WRONGTYPE Operation against a key\r\n:2\r\n-OOM command not "
                 "allowed\r\n:4\r\n"}));
  const Client client(server);
  const auto results = client.call(parts(5));
  for (const std::size_t i : {0u, 2u, 4u}) CHECK(results[i].reply.integer == static_cast<int>(i));
  CHECK(results[1].outcome == RedisOutcome::Answered);
  CHECK(results[1].reply.kind == RedisReply::Kind::Error);
  CHECK(results[3].outcome == RedisOutcome::NotDone);
  CHECK(results[3].why.find("OOM") != std::string::npos);
  CHECK(server.count("EVALSHA") == 1);
  CHECK(client.client->health().errors == 2);
  CHECK(client.client->health().nodes.at(0).breaker == "closed");
}

TEST_CASE("redis joined: an error of the command is that of each of its calls") {
  for (const std::string error :
       {"-OOM command not allowed\r\n", "-NOREPLICAS Not enough good replicas\r\n",
        "-MISCONF no disk\r\n", "-LOADING Redis is loading\r\n", "-BUSY Redis is busy\r\n",
        "-CLUSTERDOWN The cluster is down\r\n", "-NOPERM this user has no permissions\r\n"}) {
    INFO(error);
    FakeRedis server(answering({error}));
    const Client client(server);
    for (const auto& result : client.call(parts(4))) {
      CHECK(result.outcome == RedisOutcome::NotDone);
      CHECK(result.why.find(error.substr(1, 4)) != std::string::npos);
    }
    CHECK(server.count("EVALSHA") == 1);
    CHECK(client.client->health().not_done == 4);
  }
  FakeRedis broken(answering({"-ERR Error running script\r\n"}));
  const Client client(broken);
  for (const auto& result : client.call(parts(4)))
    CHECK(result.reply.kind == RedisReply::Kind::Error);
}

TEST_CASE("redis joined: a script that is not known goes whole, once for all of them") {
  FakeRedis server([](const Words& words) -> Reaction {
    if (words[0] == "EVALSHA") return {"-NOSCRIPT No matching script. Please use EVAL.\r\n"};
    return well(words);
  });
  const Client client(server);
  check_numbers(client.call(parts(6)));
  CHECK(server.calls().size() == 2);
  CHECK(client.client->health().scripts_sent == 1);
  FakeRedis never(answering({"-NOSCRIPT No matching script. Please use EVAL.\r\n"}));
  const Client refused(never);
  for (const auto& result : refused.call(parts(3)))
    CHECK(result.reply.text.substr(0, 8) == "NOSCRIPT");
  CHECK(never.calls().size() == 2);
}

TEST_CASE(
    "redis joined: half a reply is unknown for all, and only what may be repeated is sent again") {
  std::atomic<int> commands{0};
  FakeRedis server([&](const Words& words) -> Reaction {
    if (FakeRedis::is_greeting(words)) return well(words);
    return ++commands == 1 ? Reaction{"*4\r\n:0\r\n:1\r\n", true} : well(words);
  });
  const Client client(server);
  // A connection that has lasted is made again at once.
  std::this_thread::sleep_for(Duration{1'050});
  auto calls = parts(4);
  calls[2].is_repeatable = true;
  const auto results = client.call(std::move(calls));
  for (const std::size_t i : {0u, 1u, 3u}) CHECK(results[i].outcome == RedisOutcome::Unknown);
  // On a late machine there is no new connection in time for it.
  INFO(results[2].why);
  CHECK(results[2].outcome != RedisOutcome::Unknown);
  const auto sent = server.calls();
  REQUIRE(sent.size() == (results[2].outcome == RedisOutcome::Answered ? 2 : 1));
  if (sent.size() == 1) return;
  CHECK(results[2].reply.integer == 2);
  CHECK(calls_in(sent[1]) == 1);
}

TEST_CASE("redis joined: parts that are missing or too many are an error of all, with its name") {
  const std::pair<std::string, std::string> replies[] = {
      {"*3\r\n:0\r\n:1\r\n:2\r\n", "3 parts to 4"},
      {"*5\r\n:0\r\n:1\r\n:2\r\n:3\r\n:4\r\n", "5 parts to 4"},
      {"*0\r\n", "0 parts to 4"},
      {"*-1\r\n", "one reply to 4"},
      {":7\r\n", "one reply to 4"},
      {"+OK\r\n", "one reply to 4"},
      {"$-1\r\n", "one reply to 4"}};
  for (const auto& [reply, why] : replies) {
    INFO(reply);
    FakeRedis server(answering({reply}));
    const Client client(server);
    for (const auto& result : client.call(parts(4))) {
      CHECK(result.outcome == RedisOutcome::Answered);
      CHECK(result.reply.kind == RedisReply::Kind::Error);
      CHECK(result.reply.text.find(why) != std::string::npos);
    }
    CHECK(client.client->health().errors == 4);
  }
}

TEST_CASE("redis joined: without an answer all are unknown in time, and none was sent twice") {
  FakeRedis server(answering({}));
  const Client client(server, Duration{100});
  for (const auto& result : client.call(parts(8))) CHECK(result.outcome == RedisOutcome::Unknown);
  CHECK(server.count("EVALSHA") == 1);
  // Eight lost calls are more than the breaker bears.
  CHECK(client.client->health().unknown == 8);
  CHECK(Client::until([&] { return client.client->health().nodes.at(0).breaker != "closed"; }));
}

TEST_CASE(
    "redis joined: a Cluster behind one address is noticed, and its slots go apart from then on") {
  FakeRedis server([](const Words& words) -> Reaction {
    if (FakeRedis::is_greeting(words)) return well(words);
    for (std::size_t i = 1; i < calls_in(words); ++i)
      if (words.at(3 + i) != words.at(3)) return {"-CROSSSLOT Keys in request\r\n"};
    return well(words);
  });
  const Client client(server);
  check_numbers(client.call(parts(3)));
  CHECK(server.count("EVALSHA") == 1 + 3);
  check_numbers(client.call({part("{a}", "0"), part("{b}", "1"), part("{a}", "2")}));
  CHECK(server.count("EVALSHA") == 1 + 3 + 2);
  CHECK(client.client->health().errors == 0);
}

namespace {

// Two masters of a Cluster: the first has all slots but one.
struct FakeCluster {
  FakeRedis::Behaviour first_does = well;
  FakeRedis second{well};
  FakeRedis first{[this](const Words& words) -> Reaction {
    if (words[0] != "CLUSTER") return first_does(words);
    return {"*2\r\n" + range(0, 16382, first) + range(16383, 16383, second)};
  }};
  static std::string range(int from, int to, const FakeRedis& at) {
    return "*3\r\n:" + std::to_string(from) + "\r\n:" + std::to_string(to) +
           "\r\n*3\r\n$9\r\n127.0.0.1\r\n:" + std::to_string(at.port()) + "\r\n$2\r\nid\r\n";
  }
  // The client is connected to both: no call has to wait for that.
  void wait_for(const Client& client) const {
    REQUIRE(Client::until([&] {
      const auto nodes = client.client->health().nodes;
      return nodes.size() == 2 && nodes[0].connected && nodes[1].connected;
    }));
  }
  RedisOptions options() const {
    RedisOptions made;
    made.cluster = {first.at()};
    made.timeout = made.connect_timeout = Duration{2'000};
    return made;
  }
};

}  // namespace

TEST_CASE("redis joined: in a Cluster only calls of one slot are joined") {
  FakeCluster cluster;
  const Client client(cluster.options());
  cluster.wait_for(client);
  check_numbers(
      client.call({part("{a}1", "0"), part("{b}1", "1"), part("{a}2", "2"), part("{b}2", "3")}));
  const auto calls = cluster.first.calls();
  CHECK(std::count_if(calls.begin(), calls.end(), [](const Words& words) {
          return words[0] == "EVALSHA" && calls_in(words) == 2;
        }) == 2);
}

TEST_CASE("redis joined: a slot that moves in the middle is followed by all of its calls") {
  FakeCluster cluster;
  std::atomic<int> moved{0};
  cluster.first_does = [&](const Words& words) -> Reaction {
    if (FakeRedis::is_greeting(words)) return well(words);
    ++moved;
    return {"-MOVED 12182 " + cluster.second.at() + "\r\n"};
  };
  const Client client(cluster.options());
  cluster.wait_for(client);
  check_numbers(client.call({part("{foo}1", "0"), part("{foo}2", "1"), part("{foo}3", "2")}));
  CHECK(moved == 1);
  CHECK(client.client->health().moved == 3);
  CHECK(cluster.second.count("EVALSHA") == 1);
}

TEST_CASE("redis joined: on a divided slot each call is tried by itself") {
  FakeCluster cluster;
  // The second key is at the other server already.
  cluster.first_does = [&](const Words& words) -> Reaction {
    if (FakeRedis::is_greeting(words)) return well(words);
    if (calls_in(words) > 1)
      return {"-TRYAGAIN Multiple keys request during rehashing of slot\r\n"};
    if (words[3] == "{foo}2") return {"-ASK 12182 " + cluster.second.at() + "\r\n"};
    return well(words);
  };
  const Client client(cluster.options());
  cluster.wait_for(client);
  check_numbers(client.call({part("{foo}1", "0"), part("{foo}2", "1"), part("{foo}3", "2")}));
  CHECK(cluster.first.count("EVALSHA") == 4);
  CHECK(cluster.second.count("ASKING") == 1);
  CHECK(cluster.second.count("EVALSHA") == 1);
  CHECK(client.client->health().tried_again == 0);
  CHECK(client.client->health().asked == 1);
}
