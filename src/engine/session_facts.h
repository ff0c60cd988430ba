// What a session knows: what the MTA told, and the values found out from it, by scope. Plain data
// between fact_table, the walk over the rules and the session.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/text.h"
#include "engine/box.h"
#include "engine/fact_memo.h"
#include "engine/state_requests.h"
#include "facts/fact.h"
#include "mail/session_view.h"
#include "policy/program.h"

namespace sluice::engine {

// One recipient that was tried: the one at hand, or an accepted one.
struct RecipientState {
  facts::RecipientCounts counts;
  FactMemo facts;
  std::vector<policy::RuleId> exemptions;  // exempt rules that hold for this recipient only
  std::vector<policy::RuleId>
      content_exempt;  // content rules they reach, ascending: part of the profile
  std::string profile;
};

// The answer to `x in $dynamic` or to one seen(...): asked of the state store once for an event.
struct StateValue {
  StateSlotPtr slot;
  std::optional<policy::Value> value;
};

// What is true for one event only (LANGUAGE 9e, 13): its time, what was unknown at its deadline,
// what the state store said. For connect, helo and mail it is kept, because their rules are decided
// again at RCPT over these same values.
struct EventFacts {
  mail::Stage stage = mail::Stage::Connect;
  TimePoint now{};
  FactMemo facts;
  Box<std::unordered_map<std::string, StateValue, KeyedHash>> state;
};

struct SessionFacts {
  mail::Connection connection;
  Box<mail::Tls> tls;  // when it is active
  std::optional<std::string> helo;
  Box<mail::Envelope> envelope;
  std::vector<mail::Recipient> accepted;
  std::vector<RecipientState> accepted_states;  // of the same index
  Box<mail::Recipient> trying;                  // RCPT at hand
  Box<RecipientState> trying_state;             // there when `trying` is
  Box<mail::Message> message;
  std::optional<std::string> profile;  // of the message, when the policy has profiles
  int unknown_commands = 0;
  std::string command;

  FactMemo connection_facts, helo_facts, transaction_facts;
  // header("X") of this message.
  Box<std::unordered_map<std::string, policy::Value, KeyedHash>> headers;
};

// The null reverse-path, "<>" (RFC 5321 4.5.5).
inline bool mail_is_from_nobody(const mail::Envelope& envelope) {
  return envelope.sender_path.empty() || envelope.sender_path == "<>";
}

}  // namespace sluice::engine
