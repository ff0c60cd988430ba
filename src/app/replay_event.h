// ReplayEvent: what a log or a mailbox tells about mail of the past, in the order in which it came:
// a client that connects, what it sent, a client that leaves. Plain data, filled by a ReplaySource,
// played by a ReplayPlayer.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "mail/session_view.h"

namespace sluice::app {

inline constexpr std::size_t kMaxReplayRecipients =
    2'000;                                            // of one event; the rest is only counted
inline constexpr std::size_t kMaxReplayText = 1'024;  // bytes of one address, name or reply

struct ReplayRecipient {
  std::string address;  // without angle brackets
  std::string refusal;  // what the log says it was refused with; empty: it was accepted
  bool is_unknown_to_mta =
      false;  // the MTA itself refuses it whatever the policy says (no such user, no relay)
};

struct ReplayEvent {
  enum class Kind : std::uint8_t { Connect, Transaction, Disconnect };
  Kind kind = Kind::Transaction;
  TimePoint at{};
  std::string session;  // events of one SMTP session share it; empty: a session of its own

  // Connect, and Transaction for sources that do not tell of connections.
  mail::Connection connection;

  // Transaction. What is not there was not told, which is not the same as not sent.
  std::optional<std::string> helo;
  std::optional<mail::Tls> tls;
  std::optional<mail::Login> login;
  std::string sender;  // without angle brackets; empty: the null sender
  std::vector<ReplayRecipient> recipients;
  std::size_t recipients_not_told = 0;
  std::optional<std::int64_t> size;  // bytes
  std::string queue_id, message_id;
  std::string refusal;       // what the log says the whole message was refused with
  bool has_content = false;  // headers and body are those of the message
  std::vector<mail::Header> headers;
  std::string body;

  // True when the log says that somebody received it.
  bool was_accepted() const {
    if (!refusal.empty()) return false;
    for (const ReplayRecipient& recipient : recipients)
      if (recipient.refusal.empty()) return true;
    return false;
  }
};

}  // namespace sluice::app
