// What the tests of all stores share: short forms of the operations, and one submit that waits for
// its answers.
#pragma once
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/state_store.h"

namespace sluice::backends {

// 2026-11-25T00:00Z, the end of a sub-window of every period that divides a day.
inline constexpr TimePoint kStart{Duration{1'795'564'800'000}};

// Answers come on this thread or on another one, once.
inline std::vector<StateAnswer> ask_all(StateStore& store, std::vector<StateOp> ops) {
  struct Call {
    std::promise<std::vector<StateAnswer>> answered;
    std::atomic<int> times = 0;
  };
  auto call = std::make_shared<Call>();
  auto answers = call->answered.get_future();
  const auto expected = ops.size();
  store.submit(std::move(ops), [call](std::vector<StateAnswer> got) {
    if (++call->times == 1) call->answered.set_value(std::move(got));
  });
  REQUIRE(answers.wait_for(std::chrono::seconds(60)) == std::future_status::ready);
  auto got = answers.get();
  REQUIRE(call->times == 1);
  REQUIRE(got.size() == expected);
  return got;
}

inline StateAnswer ask(StateStore& store, StateOp op) {
  return ask_all(store, {std::move(op)}).front();
}

inline constexpr Duration ms(std::int64_t n) { return Duration{n}; }
inline constexpr Duration s(std::int64_t n) { return Duration{n * 1000}; }
inline constexpr Duration minutes(std::int64_t n) { return s(n * 60); }
inline constexpr Duration hours(std::int64_t n) { return minutes(n * 60); }

inline Reserve reserve(ReservationId id, std::string key, std::vector<Window> windows,
                       std::int64_t n = 1) {
  Reserve op;
  op.id = id;
  op.key = std::move(key);
  op.name = "limit " + op.key;
  op.n = n;
  op.windows = std::move(windows);
  return op;
}

inline Reserve reserve_value(ReservationId id, std::string key, std::vector<Window> windows,
                             std::string value) {
  auto op = reserve(id, std::move(key), std::move(windows));
  op.distinct = std::move(value);
  return op;
}

inline Reserve reserve_tokens(ReservationId id, std::string key, Bucket bucket,
                              std::int64_t n = 1) {
  auto op = reserve(id, std::move(key), {}, n);
  op.bucket = bucket;
  return op;
}

inline Commit commit(const Reserve& of) {
  return {of.id, of.key, of.name, of.n, of.windows, of.bucket, of.distinct};
}
inline Release release(const Reserve& of) { return {of.id, of.key}; }
inline Renew renew(const Reserve& of) { return {of.id, of.key}; }
inline Peek peek(const Reserve& of) { return {of.key, of.n, of.windows, of.bucket, of.distinct}; }

}  // namespace sluice::backends
