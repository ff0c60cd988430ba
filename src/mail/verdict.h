// Verdict: what Sluice answers to one event, before it is translated to the wire.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "mail/reply.h"

namespace sluice::mail {

enum class Action : std::uint8_t {
  Continue,
  Reject,      // 5yz
  Defer,       // 4yz
  Disconnect,  // 421, the MTA closes
  Discard,     // 250 to the client, nothing delivered; only at the dot
  Quarantine,  // accepted and held; only at the dot
};
std::string_view action_name(Action action);  // continue reject defer disconnect discard quarantine

// Changes to the message, only possible at the end of the message, in this order.
struct Edit {
  enum class Kind : std::uint8_t {
    AddHeader, InsertHeader, SetHeader, RemoveHeader, AddRecipient, RemoveRecipient, SetSender, Footer, Quarantine,
  };
  Kind kind;
  std::string name;   // of the header; the address; the reason
  std::string value;
  int index = 0;      // InsertHeader: position; SetHeader, RemoveHeader: which of that name from 1, 0 = all
  bool operator==(const Edit&) const = default;
};

struct Verdict {
  Action action = Action::Continue;
  Reply reply;               // Reject, Defer, Disconnect
  std::vector<Edit> edits;   // at the end of the message, with Continue or Quarantine
  Duration delay{0};         // wait so long before answering
};

}  // namespace sluice::mail
