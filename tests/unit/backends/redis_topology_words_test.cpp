// What servers and Sentinels say of where things are.
#include <catch2/catch.hpp>

#include "backends/redis_address.h"
#include "backends/redis_role.h"
#include "backends/redis_sentinel.h"
#include "backends/redis_slot_map.h"

using namespace sluice;
using namespace sluice::backends;
using Kind = RedisReply::Kind;

namespace {

RedisReply number(std::int64_t value) { return {Kind::Integer, value, {}, {}}; }
RedisReply text(std::string value) { return {Kind::Text, 0, std::move(value), {}}; }
RedisReply array(std::vector<RedisReply> items) { return {Kind::Array, 0, {}, std::move(items)}; }
RedisReply range(int first, int last, const std::string& host, int port) {
  return array({number(first), number(last), array({text(host), number(port), text("id")})});
}
const Endpoint kAsked = *parse_endpoint("10.0.0.9:7009");

}  // namespace

TEST_CASE("redis role: master, replica and its master, or nothing said") {
  CHECK(parse_redis_role(array({text("master"), number(1), array({})}), kAsked).kind ==
        RedisRole::Kind::Master);
  const auto replica = parse_redis_role(
      array({text("slave"), text("10.0.0.2"), number(6379), text("connected"), number(7)}), kAsked);
  CHECK(replica.kind == RedisRole::Kind::Replica);
  CHECK(replica.master->to_string() == "10.0.0.2:6379");
  // A replica that was told a name: a replica, but nobody to follow.
  const auto named =
      parse_redis_role(array({text("slave"), text("db1.example"), number(6379)}), kAsked);
  CHECK(named.kind == RedisRole::Kind::Replica);
  CHECK_FALSE(named.master);
  for (const RedisReply& odd : {text("master"), array({}), array({number(1)}), number(3),
                                array({text("sentinel"), array({})})})
    CHECK(parse_redis_role(odd, kAsked).kind == RedisRole::Kind::Unknown);
}

TEST_CASE("redis slots: the map of a Cluster is read") {
  const auto ranges =
      parse_redis_slots(array({range(0, 5460, "127.0.0.1", 7000), range(5461, 10922, "", 7001),
                               range(10923, 16383, "::1", 7002)}),
                        kAsked);
  REQUIRE(ranges);
  REQUIRE(ranges->size() == 3);
  CHECK((*ranges)[0].master.to_string() == "127.0.0.1:7000");
  CHECK((*ranges)[1].master.to_string() == "10.0.0.9:7001");
  CHECK((*ranges)[2].last == 16383);
  // Whose master has only a name is left out; the rest is used.
  CHECK(parse_redis_slots(array({range(0, 1, "db1.example", 7000), range(2, 3, "127.0.0.1", 7000)}),
                          kAsked)
            ->size() == 1);
}

TEST_CASE("redis slots: what is no map is refused") {
  const RedisReply bad[] = {
      number(1),
      {Kind::Error, 0, "ERR This instance has cluster support disabled", {}},
      array({number(1)}),
      array({array({number(0), number(1)})}),
      array({range(-1, 1, "127.0.0.1", 1)}),
      array({range(0, 16384, "127.0.0.1", 1)}),
      array({range(5, 4, "127.0.0.1", 1)}),
      array({range(0, 10, "127.0.0.1", 1), range(10, 12, "127.0.0.1", 2)}),
      array({array({number(0), number(1), array({text("127.0.0.1"), text("7000")})})}),
  };
  for (const RedisReply& reply : bad) CHECK_FALSE(parse_redis_slots(reply, kAsked));
  std::vector<RedisReply> many;
  for (int i = 0; i <= static_cast<int>(kMaxRedisMasters); ++i)
    many.push_back(range(i, i, "127.0.0.1", 1000 + i));
  CHECK_FALSE(parse_redis_slots(array(many), kAsked));
  many.pop_back();
  CHECK(parse_redis_slots(array(many), kAsked));
}

TEST_CASE("sentinel: it names the master, or why it cannot") {
  CHECK(
      parse_sentinel_answer(array({text("10.0.0.1"), text("6379")}), kAsked).master->to_string() ==
      "10.0.0.1:6379");
  for (const RedisReply& none :
       {RedisReply{}, RedisReply{Kind::Error, 0, "IDONTKNOW", {}}, array({}), text("10.0.0.1"),
        array({text("db1.example"), text("6379")}), array({text("10.0.0.1"), text("x")}),
        array({text("10.0.0.1"), text("0")}), array({text("10.0.0.1"), text("70000")})}) {
    const auto answer = parse_sentinel_answer(none, kAsked);
    CHECK_FALSE(answer.master);
    CHECK_FALSE(answer.why.empty());
  }
}

TEST_CASE("sentinel: a switch of our master is understood, others are not ours") {
  const auto message = [](const std::string& channel, const std::string& words) {
    return array({text("message"), text(channel), text(words)});
  };
  const std::string moved = "mail 10.0.0.1 6379 10.0.0.2 6380";
  CHECK(parse_switch_master(message("+switch-master", moved), "mail", kAsked)->to_string() ==
        "10.0.0.2:6380");
  CHECK_FALSE(parse_switch_master(message("+switch-master", moved), "web", kAsked));
  CHECK_FALSE(parse_switch_master(message("+sdown", moved), "mail", kAsked));
  CHECK_FALSE(parse_switch_master(message("+switch-master", "mail 10.0.0.1 6379"), "mail", kAsked));
  CHECK_FALSE(parse_switch_master(text("x"), "mail", kAsked));
}

TEST_CASE("redis addresses: written as addresses or names") {
  const auto one = [](const std::string& written) {
    const auto found = find_redis_servers({written}, kRedisPort);
    return found ? found->front().to_string() : "! " + found.error().what;
  };
  CHECK(one("127.0.0.1") == "127.0.0.1:6379");
  CHECK(one("[::1]:7") == "[::1]:7");
  CHECK(one("unix:/run/redis.sock") == "unix:/run/redis.sock");
  CHECK(one("localhost:7").find(":7") != std::string::npos);
  CHECK(one("no-such-host.invalid:6379") ==
        "! `no-such-host.invalid:6379`: no address is known for no-such-host.invalid");
  for (const std::string bad : {"", "127.0.0.1:0", "127.0.0.1:x", "a b:1", "http://x:1"})
    CHECK(one(bad).substr(0, 2) == "! ");
  CHECK_FALSE(
      find_redis_servers(std::vector<std::string>(kMaxRedisServers + 1, "127.0.0.1"), kRedisPort));
}
