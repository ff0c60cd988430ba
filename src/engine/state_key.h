// Keys of what the state store remembers, and the readable names beside them. The only place where
// they are built.
//
// A key is the rule's state key ("policy/rule/limit/count/expressions") and the values, each folded
// exactly like == of its type; a key longer than backends::kMaxStateKey keeps its beginning and
// ends in a hash of the whole.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backends/state_store.h"
#include "base/ip_address.h"
#include "policy/program.h"
#include "policy/value.h"

namespace sluice::engine {

// Text of one value in a key; none (the null sender) is a value of its own.
std::string key_part(const policy::Value& value, policy::Kind kind);
// Of all recipients of a message, each given as its own part: sorted, each once, with commas.
std::string recipients_part(std::vector<std::string> recipients);
// The rule's key with its values. put_…: into a text that is used again.
void put_state_key(std::string& key, std::string_view rule_key, std::span<const std::string> parts);
std::string state_key(std::string_view rule_key, std::span<const std::string> parts);
// The key of what a greylist counts for auto_allow, of one seen(...) call, of client.first_seen.
std::string auto_allow_key(std::string_view rule_key, std::span<const std::string> parts);
std::string seen_key(const policy::Program& program, const policy::Rule& rule, std::size_t call,
                     std::span<const std::string> parts);
std::string first_seen_key(const IpAddress& client);
// An expression of a key as names have it: kNoExpr stands for all recipients, rcpt.address.
std::string_view key_expression(const policy::Program& program, policy::ExprId expr);
// "user-messages auth.user=alice": what `limits show user=alice` looks for.
void put_state_name(std::string& name, const policy::Program& program, const policy::Rule& rule,
                    std::span<const policy::ExprId> key, std::span<const std::string> parts);
std::string state_name(const policy::Program& program, const policy::Rule& rule,
                       std::span<const policy::ExprId> key, std::span<const std::string> parts);

// Element of a dynamic list: its text, and the address or network it stands for in lists of type
// cidr.
struct ListElement {
  std::string text;
  std::optional<IpAddress> address;  // asked for
  std::optional<Network> network;    // kept
};
// nullopt: none or unknown, never an element.
std::optional<ListElement> list_element(const policy::Value& value, const policy::Type& type);

// Whether `enforce: N%` holds for this client: by its network, so that a sender's retries all meet
// the same answer.
bool is_enforced_for(int percent, const std::optional<IpAddress>& client);

}  // namespace sluice::engine
