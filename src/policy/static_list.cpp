#include "policy/static_list.h"

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "base/network_set.h"
#include "base/string_set.h"
#include "base/text.h"
#include "mail/address.h"
#include "mail/domain.h"
#include "policy/ast.h"

namespace sluice::policy {
namespace {

template <class T>
std::optional<Value> as_value(const std::optional<T>& parsed) {
  return parsed ? std::optional<Value>(*parsed) : std::nullopt;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Value> parse_address(std::string_view text) {
  const auto address = mail::parse_mailbox(text, mail::Utf8::Allowed);
  if (!address) return std::nullopt;
  return Value(address->to_string());
}

std::optional<Value> parse_domain(std::string_view text) {
  if (const auto literal = mail::to_address_literal(text)) return Value(*literal);
  return as_value(mail::to_ascii_domain(text));
}

std::optional<Value> parse_text(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional<Value>(std::string(text));
}

std::optional<Value> parse_bool(std::string_view text) {
  if (text != "true" && text != "false") return std::nullopt;
  return Value(text == "true");
}

// Kinds that the expressions of a policy write in the same way.
template <Kind kind>
std::optional<Value> parse_as_literal(std::string_view text) {
  Scalar scalar;
  scalar.text = text;
  Diagnostics ignored;
  const auto node = parse_expression(scalar, ignored);
  if (!node || node->kind != Node::Kind::Literal) return std::nullopt;
  if (kind == Kind::Float && node->literal_kind == Kind::Int)
    return Value(static_cast<double>(node->value.get<std::int64_t>()));
  return node->literal_kind == kind ? std::optional(node->value) : std::nullopt;
}

struct KindParser {
  Kind kind;
  std::optional<Value> (*parse)(std::string_view);
};
constexpr KindParser kParsers[] = {
    {Kind::Bool, parse_bool},
    {Kind::Int, [](std::string_view t) { return as_value(parse_integer(t)); }},
    {Kind::Float, parse_as_literal<Kind::Float>},
    {Kind::Text, parse_text},
    {Kind::Domain, parse_domain},
    {Kind::Address, parse_address},
    {Kind::Ip, [](std::string_view t) { return as_value(IpAddress::parse(t)); }},
    {Kind::Cidr, [](std::string_view t) { return as_value(Network::parse(t)); }},
    {Kind::Duration, [](std::string_view t) { return as_value(parse_duration(t)); }},
    {Kind::Size, [](std::string_view t) { return as_value(parse_size(t)); }},
    {Kind::Rate, parse_as_literal<Kind::Rate>},
    {Kind::Clock, parse_as_literal<Kind::Clock>},
    {Kind::Datetime, [](std::string_view t) { return as_value(parse_datetime(t)); }},
};

bool is_network(Kind kind) { return kind == Kind::Cidr || kind == Kind::Ip; }

bool within(const Network& network, const Value& value) {
  if (const auto* ip = value.get_if<IpAddress>()) return network.contains(*ip);
  if (const auto* other = value.get_if<Network>()) return network.contains(*other);
  return false;
}

}  // namespace

std::optional<Value> parse_value(std::string_view text, Kind kind) {
  for (const KindParser& parser : kParsers)
    if (parser.kind == kind) return parser.parse(text);
  return std::nullopt;
}

std::vector<std::string> keys_of_text(std::string_view text, Matching matching,
                                      bool fold_local_part) {
  std::string scratch;
  std::vector<std::string> keys{
      std::string(matching_key(text, matching, fold_local_part, scratch))};
  if (matching != Matching::Text) return keys;
  const bool address = text.find('@') != std::string_view::npos;
  const auto other =
      matching_key(text, address ? Matching::Address : Matching::Domain, fold_local_part, scratch);
  if (other != keys.front()) keys.emplace_back(other);
  return keys;
}

struct StaticList::Content {
  StringSet texts;
  std::vector<std::int64_t> numbers;
  NetworkSet networks;
  std::vector<Network> sorted;  // the same networks, for questions about a network
  std::vector<int> lengths;     // prefix lengths that occur in it
  // Tuples: by the keys of all positions that are no networks; the networks of each tuple in order.
  std::unordered_multimap<std::string, std::vector<Network>, KeyedHash, std::equal_to<>> tuples;
  // While loading: all texts behind each other, and how long each is.
  std::string block;
  std::vector<std::uint32_t> block_lengths;

  bool contains(const Network& network) const;
};

// Some network of the list covers this one: one with its address and at most its length.
bool StaticList::Content::contains(const Network& network) const {
  const int v4_bits = network.is_v4() ? 96 : 0;
  return std::any_of(lengths.begin(), lengths.end(), [&](int length) {
    if (length > network.mapped_length() || length < v4_bits) return false;
    return std::binary_search(sorted.begin(), sorted.end(),
                              Network(network.address(), length - v4_bits));
  });
}

StaticList::StaticList(std::vector<Kind> types, bool fold_local_part)
    : types_(std::move(types)),
      fold_local_part_(fold_local_part),
      content_(std::make_unique<Content>()) {}
StaticList::~StaticList() = default;

bool StaticList::add(std::string_view text) {
  const Kind kind = types_.front();
  if (kind == Kind::Enum) return add_key(text), true;
  auto value = parse_value(text, kind);
  if (!value) return false;
  if (const auto* number = value->get_if<std::int64_t>()) content_->numbers.push_back(*number);
  if (const auto* network = value->get_if<Network>()) content_->sorted.push_back(*network);
  if (const auto* ip = value->get_if<IpAddress>()) content_->sorted.emplace_back(*ip, 128);
  if (const auto* name = value->get_if<std::string>()) add_text(*name);
  return true;
}

void StaticList::add_text(std::string_view text) {
  const Matching matching = matching_of(types_.front());
  if (matching == Matching::Text) {
    for (const std::string& key : keys_of_text(text, matching, fold_local_part_)) add_key(key);
    return;
  }
  std::string scratch;
  add_key(matching_key(text, matching, fold_local_part_, scratch));
}

void StaticList::add_key(std::string_view key) {
  content_->block += key;
  content_->block_lengths.push_back(static_cast<std::uint32_t>(key.size()));
}

namespace {

// Keys of a tuple joined so that no two tuples have the same.
void append_part(std::string& key, std::string_view part) {
  key += std::to_string(part.size());
  key += ':';
  key += part;
}

}  // namespace

bool StaticList::add_tuple(std::span<const std::string_view> texts) {
  if (texts.size() != types_.size()) return false;
  std::string key;
  std::vector<Network> networks;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto value = parse_value(texts[i], types_[i]);
    if (!value) return false;
    if (const auto* network = value->get_if<Network>())
      networks.push_back(*network);
    else if (const auto* ip = value->get_if<IpAddress>())
      networks.emplace_back(*ip, 128);
    else if (const auto* number = value->get_if<std::int64_t>())
      append_part(key, std::to_string(*number));
    else if (const auto* text = value->get_if<std::string>()) {
      std::string scratch;
      append_part(key, matching_key(*text, matching_of(types_[i]), fold_local_part_, scratch));
    }
  }
  content_->tuples.emplace(std::move(key), std::move(networks));
  return true;
}

void StaticList::finish() {
  Content& content = *content_;
  std::sort(content.numbers.begin(), content.numbers.end());
  std::vector<std::string_view> texts;
  texts.reserve(content.block_lengths.size());
  std::string_view rest = content.block;
  for (const std::uint32_t length : content.block_lengths) {
    texts.push_back(rest.substr(0, length));
    rest.remove_prefix(length);
  }
  content.block_lengths = {};
  content.texts = StringSet(texts);
  content.block = {};
  std::sort(content.sorted.begin(), content.sorted.end());
  content.sorted.erase(std::unique(content.sorted.begin(), content.sorted.end()),
                       content.sorted.end());
  content.sorted.shrink_to_fit();
  std::vector<NetworkSet::Entry> entries;
  entries.reserve(content.sorted.size());
  for (const Network& network : content.sorted) {
    entries.push_back({network, 0});
    content.lengths.push_back(network.mapped_length());
  }
  content.networks = NetworkSet(std::move(entries));
  std::sort(content.lengths.begin(), content.lengths.end());
  content.lengths.erase(std::unique(content.lengths.begin(), content.lengths.end()),
                        content.lengths.end());
  content.lengths.shrink_to_fit();
}

std::size_t StaticList::size() const {
  return content_->texts.size() + content_->numbers.size() + content_->networks.size() +
         content_->tuples.size();
}

bool StaticList::contains(const Value& value, Matching matching) const {
  if (types_.size() != 1) return false;
  if (const auto* text = value.get_if<std::string>()) {
    std::string scratch;
    return content_->texts.contains(matching_key(*text, matching, fold_local_part_, scratch));
  }
  if (const auto* number = value.get_if<std::int64_t>())
    return std::binary_search(content_->numbers.begin(), content_->numbers.end(), *number);
  if (const auto* ip = value.get_if<IpAddress>()) return content_->networks.contains(*ip);
  const auto* network = value.get_if<Network>();
  return network && content_->contains(*network);
}

bool StaticList::contains_tuple(std::span<const Value* const> values) const {
  if (values.size() != types_.size()) return false;
  std::string key, scratch;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (const auto* number = values[i]->get_if<std::int64_t>())
      append_part(key, std::to_string(*number));
    if (const auto* text = values[i]->get_if<std::string>())
      append_part(key, matching_key(*text, matching_of(types_[i]), fold_local_part_, scratch));
  }
  const auto [first, last] = content_->tuples.equal_range(std::string_view(key));
  return std::any_of(first, last, [&](const auto& tuple) {
    std::size_t next = 0;
    for (std::size_t i = 0; i < values.size(); ++i)
      if (is_network(types_[i]) && !within(tuple.second[next++], *values[i])) return false;
    return true;
  });
}

bool StaticList::contains_parent(std::string_view domain) const {
  std::string scratch;
  std::string_view name = matching_key(domain, Matching::Domain, fold_local_part_, scratch);
  while (!name.empty()) {
    if (content_->texts.contains(name)) return true;
    const std::size_t dot = name.find('.');
    if (dot == std::string_view::npos) return false;
    name.remove_prefix(dot + 1);
  }
  return false;
}

std::size_t StaticList::bytes() const {
  return content_->texts.memory_bytes() + content_->networks.memory_bytes() +
         content_->sorted.capacity() * sizeof(Network) +
         content_->numbers.capacity() * sizeof(std::int64_t);
}

}  // namespace sluice::policy
