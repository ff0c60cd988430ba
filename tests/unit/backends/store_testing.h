// What the tests of all stores share: short forms of the operations, and one submit that waits for
// its answers.
#pragma once
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/state_store.h"

namespace sluice::backends {

inline std::vector<StateAnswer> ask_all(StateStore& store, std::vector<StateOp> ops) {
  std::vector<StateAnswer> answers;
  int calls = 0;
  const auto expected = ops.size();
  store.submit(std::move(ops), [&](std::vector<StateAnswer> got) {
    answers = std::move(got);
    ++calls;
  });
  REQUIRE(calls == 1);
  REQUIRE(answers.size() == expected);
  return answers;
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
