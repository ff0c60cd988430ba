#include "backends/redis_command.h"

#include <catch2/catch.hpp>

#include "backends/redis_reader.h"
#include "backends/redis_slot.h"

using namespace sluice::backends;

TEST_CASE("redis command: words of any bytes stay words") {
  CHECK(redis_command({"PING"}) == "*1\r\n$4\r\nPING\r\n");
  const std::string_view odd("a\r\n\0$3", 6);
  // What the server reads is an array of texts.
  RedisReader reader;
  reader.feed(redis_command({"SET", odd, ""}));
  const auto read = *reader.next();
  REQUIRE(read);
  REQUIRE(read->items.size() == 3);
  CHECK(read->items[1].text == odd);
  CHECK(read->items[2].text.empty());
}

TEST_CASE("redis command: a script goes by its name, or in full") {
  const RedisScript script = make_redis_script("return KEYS[1]");
  const RedisCall call{&script, {"sl:{a}:1", "sl:{a}:2"}, {"7"}, false};
  CHECK(redis_script_command({&call}, false) ==
        redis_command({"EVALSHA", script.sha1, "2", "sl:{a}:1", "sl:{a}:2", "7"}));
  CHECK(redis_script_command({&call}, true) ==
        redis_command({"EVAL", "return KEYS[1]", "2", "sl:{a}:1", "sl:{a}:2", "7"}));
}

TEST_CASE("redis slot: keys fall where Redis says they do") {
  // The check value of CRC-16/XMODEM, then answers of CLUSTER KEYSLOT.
  CHECK(redis_crc16("123456789") == 0x31c3);
  struct {
    std::string_view key;
    int slot;
  } const rows[] = {{"somekey", 11058},
                    {"foo{hash_tag}", 2515},
                    {"bar{hash_tag}", 2515},
                    {"hash_tag", 2515},
                    {"", 0},
                    {"{}", 15257},
                    {"foo", 12182},
                    {"{foo}{bar}", 12182},
                    {"a{foo", redis_crc16("a{foo") % 16384},
                    {"foo{}{bar}", 8363}};
  for (const auto& row : rows) {
    INFO(row.key);
    CHECK(redis_slot(row.key) == row.slot);
  }
}
