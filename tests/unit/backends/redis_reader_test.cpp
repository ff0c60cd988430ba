#include "backends/redis_reader.h"

#include <catch2/catch.hpp>

using namespace sluice::backends;
using Kind = RedisReply::Kind;

namespace {

// The only reply in these bytes, or why there is none.
sluice::Result<std::optional<RedisReply>> read_one(std::string_view bytes) {
  RedisReader reader;
  reader.feed(bytes);
  return reader.next();
}
RedisReply whole(std::string_view bytes) {
  const auto reply = read_one(bytes);
  REQUIRE(reply);
  REQUIRE(reply->has_value());
  return **reply;
}
std::string refusal(std::string_view bytes) {
  const auto reply = read_one(bytes);
  REQUIRE_FALSE(reply);
  return reply.error().what;
}
std::string nested(std::size_t depth) {
  std::string text;
  for (std::size_t i = 0; i < depth; ++i) text += "*1\r\n";
  return text + ":1\r\n";
}

constexpr std::string_view kRole =
    "*3\r\n$6\r\nmaster\r\n:3129659\r\n*2\r\n*3\r\n$9\r\n127.0.0.1\r\n$4\r\n9001\r\n$"
    "7\r\n3129242\r\n"
    "*-1\r\n";

}  // namespace

TEST_CASE("redis reader: every type of RESP2 is read") {
  CHECK(whole("+OK\r\n").kind == Kind::Status);
  CHECK(whole("+OK\r\n").text == "OK");
  CHECK(whole("-MOVED 1 127.0.0.1:7000\r\n").kind == Kind::Error);
  CHECK(whole("-MOVED 1 127.0.0.1:7000\r\n").text == "MOVED 1 127.0.0.1:7000");
  CHECK(whole("-ERR a\nb\x1b[31m\r\n").text == "ERR a?b?[31m");
  CHECK(whole(":-9223372036854775808\r\n").integer == INT64_MIN);
  CHECK(whole("$0\r\n\r\n").kind == Kind::Text);
  CHECK(whole("$4\r\na\r\nb\r\n").text == "a\r\nb");
  CHECK(whole("$-1\r\n").kind == Kind::Nil);
  CHECK(whole("*-1\r\n").kind == Kind::Nil);
  CHECK(whole("*0\r\n").kind == Kind::Array);
  const RedisReply role = whole(kRole);
  REQUIRE(role.items.size() == 3);
  CHECK(role.items[1].integer == 3129659);
  REQUIRE(role.items[2].items.size() == 2);
  CHECK(role.items[2].items[0].items[1].text == "9001");
  CHECK(role.items[2].items[1].kind == Kind::Nil);
}

TEST_CASE("redis reader: replies come in any pieces, and several at once") {
  const std::string stream = std::string(kRole) + "$3\r\nabc\r\n*0\r\n-ERR x\r\n:7\r\n";
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    RedisReader reader;
    std::vector<RedisReply> got;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      reader.feed(std::string_view(stream).substr(at, piece));
      while (auto reply = *reader.next()) got.push_back(std::move(*reply));
    }
    REQUIRE(got.size() == 5);
    REQUIRE(got[0].items[2].items[0].items[2].text == "3129242");
    REQUIRE(got[1].text == "abc");
    REQUIRE(got[4].integer == 7);
    REQUIRE(reader.buffered() == 0);
  }
}

TEST_CASE("redis reader: what is cut short is waited for") {
  for (const std::string_view start :
       {"", "+OK", "+OK\r", "$5\r\nabc", "$3\r\nabc\r", "*2\r\n:1\r\n", "*"})
    CHECK_FALSE(read_one(start)->has_value());
}

TEST_CASE("redis reader: what is not RESP2 is refused at once") {
  for (const std::string_view bytes :
       {"HTTP/1.1 400 Bad Request\r\n", "\r\n", "%1\r\n+a\r\n:1\r\n", "_\r\n", "#t\r\n", "$x\r\n",
        "$\r\n", ":\r\n", ":1 \r\n", ":12345678901234567890\r\n", "$-2\r\n", "*-2\r\n",
        "$3\r\nabcd\r\n", "* 1\r\n"})
    CHECK(refusal(bytes).find("does not answer as Redis does") != std::string::npos);
  // The first byte is enough.
  CHECK_FALSE(refusal("H").empty());
}

TEST_CASE(
    "redis reader: counts and lengths have caps, and none is believed before its bytes are there") {
  CHECK_FALSE(refusal("$8388609\r\n").empty());
  CHECK_FALSE(refusal("$9223372036854775807\r\n").empty());
  CHECK_FALSE(refusal("*400001\r\n").empty());
  CHECK_FALSE(refusal("+" + std::string(kMaxRedisLine + 1, 'x')).empty());
  CHECK_FALSE(read_one("$8388608\r\n")->has_value());
  CHECK_FALSE(read_one("*400000\r\n")->has_value());
  CHECK(whole(nested(kMaxRedisDepth)).items.size() == 1);
  CHECK_FALSE(refusal(nested(kMaxRedisDepth + 1)).empty());
}

TEST_CASE("redis reader: a reply has an end") {
  // Small arrays inside small arrays: each count is low, the sum is not.
  std::string many = "*1000\r\n";
  for (int i = 0; i < 1000; ++i) {
    many += "*1000\r\n";
    for (int k = 0; k < 1000; ++k) many += ":1\r\n";
  }
  CHECK(refusal(many) == "the server does not answer as Redis does: a reply above all bounds");
  std::string large = "*4\r\n";
  for (int i = 0; i < 3; ++i) large += "$8000000\r\n" + std::string(8'000'000, 'x') + "\r\n";
  CHECK(refusal(large) == "the server does not answer as Redis does: a reply above all bounds");
}
