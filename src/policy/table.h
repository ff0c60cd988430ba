// Table: key -> value, as a policy's `tables:` declares. Keys fold exactly like == of their type; a
// cidr key is found by longest prefix. Immutable after loading, shared like StaticList. Threads:
// any.
#pragma once
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/text.h"
#include "policy/matching.h"
#include "policy/type.h"
#include "policy/value.h"

namespace sluice::policy {

class Table {
 public:
  Table(Kind key, bool fold_local_part) : key_kind_(key), fold_local_part_(fold_local_part) {}

  enum class Added { Yes, NoKey, Twice };
  // NoKey: `key` is not of the key's type. Twice: it stood there already, the first stays.
  Added add(std::string_view key, Value value);
  void finish();  // once, after the last

  std::size_t size() const { return values_.size(); }
  Kind key_kind() const { return key_kind_; }
  // nullptr: not in the table. `key` is set; a text is compared as `matching` says
  // (StaticList::contains).
  const Value* find(const Value& key, Matching matching) const;

 private:
  const Value* find_network(const Value& key) const;

  Kind key_kind_;
  bool fold_local_part_;
  std::vector<Value> values_;
  std::unordered_map<std::string, std::uint32_t, KeyedHash, std::equal_to<>> by_text_;
  std::vector<std::pair<Network, std::uint32_t>> by_network_;  // sorted
  std::vector<int> lengths_;  // prefix lengths that occur (of 128), longest first
};
using TablePtr = std::shared_ptr<const Table>;

}  // namespace sluice::policy
