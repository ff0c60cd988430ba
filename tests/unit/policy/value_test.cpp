#include "policy/value.h"

#include <catch2/catch.hpp>

#include "policy/type.h"
#include "policy/vocabulary.h"

using namespace sluice;
using namespace sluice::policy;

TEST_CASE("value: none and unknown are printed as a dash and a question mark") {
  CHECK(render_value(Value{}) == "-");
  CHECK(render_value(Unknown{UnknownReason::ServFail}) == "?");
}

TEST_CASE("value: quantities are printed as policies write them") {
  CHECK(render_value(Duration(300'000)) == "5m");
  CHECK(render_value(8.5) == "8.5");
  CHECK(render_value(Rate{20 << 20, Duration(86'400'000), true, false}) == "20MB/1d");
  CHECK(render_value(Rate{10, Duration(60'000), false, false}) == "10/1m");
  CHECK(render_value(Rate{0, Duration(0), false, true}) == "unlimited");
  CHECK(render_value(ClockTime{6 * 60 + 5}) == "06:05");
}

TEST_CASE("value: a size prints with its unit only where its type is known") {
  CHECK(render_value(std::int64_t{5 << 20}, Kind::Size) == "5MB");
  CHECK(render_value(std::int64_t{5 << 20}, Kind::Int) == "5242880");
}

TEST_CASE("value: the elements of a list are separated by commas") {
  CHECK(render_value(Value::list({"a", 1, true})) == "a, 1, true");
  CHECK(render_value(Value::list({})).empty());
}

TEST_CASE("value: only failures of the DNS are DNS reasons") {
  CHECK(is_dns_reason(UnknownReason::Timeout));
  CHECK(is_dns_reason(UnknownReason::Breaker));
  CHECK_FALSE(is_dns_reason(UnknownReason::Store));
  CHECK_FALSE(is_dns_reason(UnknownReason::Argument));
  CHECK(reason_name(UnknownReason::External) == "external");
}

TEST_CASE("vocabulary: facts are found by their full name only") {
  FactSignature ptr, ip;
  ptr.name = "client.ptr";
  ip.name = "client.ip";
  const Vocabulary words({ptr, ip});
  REQUIRE(words.find("client.ip") != nullptr);
  CHECK(words.at(words.id_of(*words.find("client.ptr"))).name == "client.ptr");
  CHECK(words.find("client") == nullptr);
  CHECK(words.find("client.ipx") == nullptr);
}
