#include "engine/state_key.h"

#include <algorithm>
#include <cstdio>

#include "base/siphash.h"

namespace sluice::engine {

namespace {

constexpr char kSeparator =
    '\x1f';  // no value holds it: what comes from mail has its controls replaced below
constexpr std::string_view kNone = "<>";
// Fixed keys: the same key text must give the same state on every host and after every start.
constexpr SipKey kShortenFirst{0x736c756963652d31, 0x6b65792d746578};
constexpr SipKey kShortenSecond{0x736c756963652d32, 0x6b65792d746578};
constexpr SipKey kEnforce{0x736c756963652d33, 0x656e666f726365};

std::string hex(std::uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

void shorten(std::string& key) {
  if (key.size() <= backends::kMaxStateKey) return;
  const std::string tail =
      "#" + hex(siphash13(kShortenFirst, key)) + hex(siphash13(kShortenSecond, key));
  key.resize(backends::kMaxStateKey - tail.size());
  key += tail;
}

std::string joined(std::string_view rule_key, std::span<const std::string> parts) {
  std::string key;
  put_state_key(key, rule_key, parts);
  return key;
}

}  // namespace

std::string key_part(const policy::Value& value, policy::Kind kind) {
  if (value.is_none()) return std::string(kNone);
  std::string text = policy::key_text(value, kind);
  std::replace(text.begin(), text.end(), kSeparator, '?');
  return text;
}

std::string recipients_part(std::vector<std::string> recipients) {
  std::sort(recipients.begin(), recipients.end());
  recipients.erase(std::unique(recipients.begin(), recipients.end()), recipients.end());
  std::string joined;
  for (const std::string& one : recipients) joined += (joined.empty() ? "" : ",") + one;
  return joined;
}

void put_state_key(std::string& key, std::string_view rule_key,
                   std::span<const std::string> parts) {
  std::size_t size = rule_key.size();
  for (const std::string& part : parts) size += part.size() + 1;
  key.clear();
  key.reserve(size);
  key += rule_key;
  for (const std::string& part : parts) {
    key.push_back(kSeparator);
    key += part;
  }
  shorten(key);
}

std::string state_key(std::string_view rule_key, std::span<const std::string> parts) {
  return joined(rule_key, parts);
}

std::string auto_allow_key(std::string_view rule_key, std::span<const std::string> parts) {
  return joined(std::string(rule_key) + "/auto", parts);
}

std::string seen_key(const policy::Program& program, const policy::Rule& rule, std::size_t call,
                     std::span<const std::string> parts) {
  std::string key = program.policy() + "/" + rule.name + "/seen";
  if (call > 0) key += std::to_string(call + 1);
  return joined(key, parts);
}

std::string first_seen_key(const IpAddress& client) {
  return "first-seen" + std::string(1, kSeparator) + client.to_string();
}

std::string_view key_expression(const policy::Program& program, policy::ExprId expr) {
  return expr == policy::kNoExpr ? std::string_view("rcpt.address") : program.expression_text(expr);
}

std::string state_name(const policy::Program& program, const policy::Rule& rule,
                       std::span<const policy::ExprId> key, std::span<const std::string> parts) {
  std::string name;
  put_state_name(name, program, rule, key, parts);
  return name;
}

void put_state_name(std::string& name, const policy::Program& program, const policy::Rule& rule,
                    std::span<const policy::ExprId> key, std::span<const std::string> parts) {
  std::size_t size = rule.name.size();
  for (std::size_t i = 0; i < parts.size(); ++i)
    size += parts[i].size() + 2 + (i < key.size() ? key_expression(program, key[i]).size() : 0);
  name.clear();
  name.reserve(size);
  name += rule.name;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    name += ' ';
    if (i < key.size()) name.append(key_expression(program, key[i])).append("=");
    name += parts[i];
  }
}

std::optional<ListElement> list_element(const policy::Value& value, const policy::Type& type) {
  if (!value.is_set()) return std::nullopt;
  if (const auto* address = value.get_if<IpAddress>())
    return ListElement{Network(*address, 128).to_string(), *address, Network(*address, 128)};
  if (const auto* network = value.get_if<Network>())
    return ListElement{network->to_string(), std::nullopt, *network};
  return ListElement{key_part(value, type.kind), std::nullopt, std::nullopt};
}

bool is_enforced_for(int percent, const std::optional<IpAddress>& client) {
  if (percent >= 100) return true;
  const std::string network = client ? client_network(*client).to_string() : std::string();
  return static_cast<int>(siphash13(kEnforce, network) % 100) < percent;
}

}  // namespace sluice::engine
