// FactMemo: the values found out in one scope. Pointers stay good until clear().
#pragma once
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "policy/value.h"

namespace sluice::engine {

// A fact of the program (policy::FactIndex), or with kUnnamed its place in facts::all_facts().
// Memos that hold values of several recipients have the recipient in the upper half.
using FactKey = std::uint64_t;
inline constexpr FactKey kUnnamed = 0x8000;

class FactMemo {
 public:
  const policy::Value* find(FactKey key) const {
    for (const auto& entry : entries_) {
      if (entry.first == key) return entry.second.get();
    }
    return nullptr;
  }
  const policy::Value* keep(FactKey key, policy::Value value) {
    entries_.emplace_back(key, std::make_unique<policy::Value>(std::move(value)));
    return entries_.back().second.get();
  }
  void clear() { entries_.clear(); }

 private:
  // Policies look at some dozens of facts in a scope: a scan of the keys is faster than a map, and
  // an idle session holds nothing it has not asked for.
  std::vector<std::pair<FactKey, std::unique_ptr<policy::Value>>> entries_;
};

}  // namespace sluice::engine
