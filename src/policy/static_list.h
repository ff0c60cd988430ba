// StaticList: the values of one list of a policy, ready for `in` and `under` (LANGUAGE 9c).
// Immutable after loading and shared: two programs that load the same content hold one copy
// (ListPool). Threads: any.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/matching.h"
#include "policy/value.h"

namespace sluice::policy {

class StaticList {
 public:
  // One type, or several for pairs. Kinds: Cidr, Ip, Domain, Address, Text, Int, Enum.
  StaticList(std::vector<Kind> types, bool fold_local_part);
  ~StaticList();
  StaticList(const StaticList&) = delete;
  StaticList& operator=(const StaticList&) = delete;

  // Loading. False: `text` is not of that type, nothing was added.
  bool add(std::string_view text);
  bool add_tuple(std::span<const std::string_view> texts);
  void finish();  // once, after the last

  const std::vector<Kind>& types() const { return types_; }
  std::size_t size() const;
  // `value` is set (neither none nor unknown) and of a type that the type check allows: an
  // IpAddress or Network in a list of cidr, a text in one of texts, a whole number in one of int.
  // `matching`: how a text is compared with the list's type; a list of text is asked for addresses
  // and domains too.
  bool contains(const Value& value, Matching matching) const;
  bool contains_tuple(std::span<const Value* const> values) const;
  // The domain or one of its parents is in the list (`under $list`).
  bool contains_parent(std::string_view domain) const;
  // Octets held, for reports.
  std::size_t bytes() const;

 private:
  struct Content;
  void add_key(std::string_view key);
  void add_text(std::string_view text);
  std::vector<Kind> types_;
  bool fold_local_part_;
  std::unique_ptr<Content> content_;
};
using StaticListPtr = std::shared_ptr<const StaticList>;

// Keys under which a text is found in a list or table: its own, and for a Text that reads as an
// address or a domain the key of that, where it differs. An address compared with a text folds as
// addresses do.
std::vector<std::string> keys_of_text(std::string_view text, Matching matching,
                                      bool fold_local_part);

// `text` as a value of that type, normalised as facts are: a domain as A-labels, an address by its
// key. Kinds: all but Enum, List and Record. nullopt: it is not of that type.
std::optional<Value> parse_value(std::string_view text, Kind kind);

}  // namespace sluice::policy
