// FactMemo: the values found out in one scope. Pointers stay good until clear().
#pragma once
#include <cstdint>
#include <utility>

#include "engine/recycled.h"
#include "policy/value.h"

namespace sluice::engine {

// A fact of the program (policy::FactIndex), or with kUnnamed its place in facts::all_facts().
// Memos that hold values of several recipients have the recipient in the upper half.
using FactKey = std::uint64_t;
inline constexpr FactKey kUnnamed = 0x8000;

class FactMemo {
 public:
  FactMemo() = default;
  FactMemo(FactMemo&&) noexcept = default;
  FactMemo& operator=(FactMemo&& other) noexcept {
    clear();
    first_ = std::move(other.first_);
    return *this;
  }
  ~FactMemo() { clear(); }

  const policy::Value* find(FactKey key) const {
    for (const Found* one = first_.get(); one != nullptr; one = one->next.get())
      if (one->key == key) return &one->value;
    return nullptr;
  }
  const policy::Value* keep(FactKey key, policy::Value value) {
    auto found = make_recycled<Found>();
    found->key = key;
    found->value = std::move(value);
    found->next = std::move(first_);
    first_ = std::move(found);
    return &first_->value;
  }
  bool is_empty() const { return !first_; }
  // One after another: a chain of any length needs no stack.
  void clear() {
    while (first_) first_ = std::move(first_->next);
  }

 private:
  // Policies look at some dozens of facts in a scope: a scan of the keys is faster than a map, and
  // an idle session holds nothing it has not asked for.
  struct Found {
    FactKey key = 0;
    policy::Value value;
    Recycled<Found> next;

    void recycle() {
      value = policy::Value();
      next.reset();
    }
  };
  Recycled<Found> first_;
};

}  // namespace sluice::engine
