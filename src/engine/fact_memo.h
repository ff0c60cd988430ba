// FactMemo: the values found out in one scope. Pointers stay good until clear().
#pragma once
#include <array>
#include <cstddef>
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
    for (const Block* block = first_.get(); block != nullptr; block = block->next.get()) {
      for (std::size_t i = 0; i < block->count; ++i) {
        if (block->keys[i] == key) return &block->values[i];
      }
    }
    return nullptr;
  }
  const policy::Value* keep(FactKey key, policy::Value value) {
    if (!first_ || first_->count == kInBlock) {
      auto block = make_recycled<Block>();
      block->next = std::move(first_);
      first_ = std::move(block);
    }
    Block& block = *first_;
    block.keys[block.count] = key;
    block.values[block.count] = std::move(value);
    return &block.values[block.count++];
  }
  bool is_empty() const { return !first_; }
  // One block after another: a chain of any length needs no stack.
  void clear() {
    while (first_) first_ = std::move(first_->next);
  }

 private:
  // Policies look at some dozens of facts in a scope: a scan of the keys is faster than a map, and
  // an idle session holds nothing it has not asked for.
  static constexpr std::size_t kInBlock = 1;
  struct Block {
    std::array<FactKey, kInBlock> keys{};
    std::array<policy::Value, kInBlock> values;
    Recycled<Block> next;
    std::size_t count = 0;

    void recycle() {
      for (std::size_t i = 0; i < count; ++i) values[i] = policy::Value();
      count = 0;
      next.reset();
    }
  };
  Recycled<Block> first_;
};

}  // namespace sluice::engine
