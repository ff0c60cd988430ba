#include "base/siphash.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "base/text.h"

using namespace sluice;

// Expected values from another implementation: CPython 3.11's hash of bytes, which is SipHash-1-3
// with an all-zero key when PYTHONHASHSEED is 0.
TEST_CASE("siphash13: agrees with another implementation for every length of the last word") {
  struct Row {
    std::string_view bytes;
    std::uint64_t hash;
  };
  const Row rows[] = {
      {"a", 0x407448d2b89b1813},
      {"ab", 0x555508cbc6add439},
      {"abc", 0xc03bc3a0042630f2},
      {"1234567", 0xa33d651594fdae81},
      {"12345678", 0x3489982430560a87},
      {"123456789", 0x0fbc0f0007965fcf},
      {"ann@example.com", 0xd4873a4041552133},
      {"0123456789abcdef", 0x1d42b30f7e060c24},
      {"0123456789abcdefg", 0x3323a4f8b8d9776b},
      {std::string_view(
           "\000\001\002\003\004\005\006\007\010\011\012\013\014\015\016\017\020\021\022\023\024"
           "\025\026\027\030\031\032\033\034\035\036\037\040\041\042\043\044\045\046\047\050\051"
           "\052\053\054\055\056\057\060\061\062\063\064\065\066\067\070\071\072\073\074\075\076",
           63),
       0x385d3e39e5f37359},
  };
  for (const Row& row : rows) CHECK(siphash13(SipKey{}, row.bytes) == row.hash);
  CHECK(siphash13(SipKey{1, 0}, "abc") != siphash13(SipKey{}, "abc"));
  CHECK(siphash13(SipKey{0, 1}, "abc") != siphash13(SipKey{}, "abc"));
}

// Expected values from OpenSSL: `openssl mac -macopt hexkey:000102…0f -macopt size:16 SIPHASH`.
TEST_CASE("siphash24_128: agrees with another implementation") {
  const SipKey key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  // a3817f04ba25a8e6 6df67214c7550293 as bytes
  CHECK(siphash24_128(key, "") == Hash128{0xe6a825ba047f81a3, 0x930255c71472f66d});
  CHECK(siphash24_128(key, std::string_view("\0", 1)) ==
        Hash128{0x44af996bd8c187da, 0x45fc229b11597634});
  CHECK(siphash24_128(key, "abcdefghijklmno") == Hash128{0x66c7b7f1b3efc5ac, 0x3fd048d0018549b7});
  CHECK_FALSE(siphash24_128(SipKey{1, 0}, "abc") == siphash24_128(SipKey{}, "abc"));
}

TEST_CASE("keyed_hash: the same text hashes alike, a thousand short texts all differently") {
  CHECK(keyed_hash("ann@example.com") == keyed_hash(std::string("ann@example.com")));
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(keyed_hash(std::to_string(i)));
  CHECK(seen.size() == 1000);
}
