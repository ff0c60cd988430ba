#include "policy/table.h"

#include <algorithm>

#include "policy/static_list.h"

namespace sluice::policy {
namespace {

// Texts by their key; other kinds by their one printed form.
std::string_view table_key(const Value& key, Matching matching, bool fold_local_part,
                           std::string& scratch) {
  if (const auto* text = key.get_if<std::string>())
    return matching_key(*text, matching, fold_local_part, scratch);
  scratch = render_value(key);
  return scratch;
}

}  // namespace

Table::Added Table::add(std::string_view key, Value value) {
  const auto parsed = parse_value(key, key_kind_);
  if (!parsed) return Added::NoKey;
  const auto index = static_cast<std::uint32_t>(values_.size());
  if (key_kind_ == Kind::Cidr) {
    by_network_.emplace_back(parsed->get<Network>(), index);
  } else {
    std::string scratch;
    const Matching matching = matching_of(key_kind_);
    if (!by_text_.emplace(table_key(*parsed, matching, fold_local_part_, scratch), index).second)
      return Added::Twice;
    if (const auto* text = parsed->get_if<std::string>())
      for (std::string& other : keys_of_text(*text, matching, fold_local_part_))
        by_text_.emplace(std::move(other), index);
  }
  values_.push_back(std::move(value));
  return Added::Yes;
}

void Table::finish() {
  std::sort(by_network_.begin(), by_network_.end());
  for (const auto& [network, index] : by_network_) lengths_.push_back(network.mapped_length());
  std::sort(lengths_.begin(), lengths_.end(), std::greater<>());
  lengths_.erase(std::unique(lengths_.begin(), lengths_.end()), lengths_.end());
}

const Value* Table::find(const Value& key, Matching matching) const {
  if (key_kind_ == Kind::Cidr) return find_network(key);
  std::string scratch;
  const auto found = by_text_.find(table_key(key, matching, fold_local_part_, scratch));
  return found == by_text_.end() ? nullptr : &values_[found->second];
}

const Value* Table::find_network(const Value& key) const {
  const auto* network = key.get_if<Network>();
  const auto* ip = key.get_if<IpAddress>();
  if (!network && !ip) return nullptr;
  const IpAddress& address = ip ? *ip : network->address();
  const int longest = ip ? 128 : network->mapped_length();
  const int v4_bits = address.is_v4() ? 96 : 0;
  for (const int length : lengths_) {
    if (length > longest || length < v4_bits) continue;
    const Network wanted(address, length - v4_bits);
    const auto at =
        std::lower_bound(by_network_.begin(), by_network_.end(), wanted,
                         [](const auto& entry, const Network& n) { return entry.first < n; });
    if (at != by_network_.end() && at->first == wanted) return &values_[at->second];
  }
  return nullptr;
}

}  // namespace sluice::policy
