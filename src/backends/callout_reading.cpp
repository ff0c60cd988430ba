#include "backends/callout_reading.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace sluice::backends {
namespace {

// X.subject.detail of a refused recipient, by what it is about (RFC 3463, IANA). What is not here
// is about the session, the sender or the message.
struct StatusRow {
  std::uint16_t subject, detail;
  CalloutStatus permanent;  // as 5.subject.detail
};
constexpr std::array kStatuses{
    StatusRow{1, 0, CalloutStatus::Refused},    // other address status
    StatusRow{1, 1, CalloutStatus::Refused},    // no such mailbox
    StatusRow{1, 2, CalloutStatus::Refused},    // no such system
    StatusRow{1, 3, CalloutStatus::Refused},    // address syntax
    StatusRow{1, 4, CalloutStatus::Refused},    // ambiguous
    StatusRow{1, 6, CalloutStatus::Refused},    // moved
    StatusRow{1, 10, CalloutStatus::Refused},   // null MX
    StatusRow{2, 0, CalloutStatus::Refused},    // other mailbox status
    StatusRow{2, 1, CalloutStatus::Refused},    // disabled
    StatusRow{2, 2, CalloutStatus::Temporary},  // full: there it is
    StatusRow{4, 1, CalloutStatus::Refused},    // Exchange's "Recipient address rejected"
};

// Codes of a refused recipient that came without an enhanced status.
struct CodeRow {
  int code;
  CalloutStatus status;
};
constexpr std::array kCodes{
    CodeRow{510, CalloutStatus::Refused}, CodeRow{511, CalloutStatus::Refused},
    CodeRow{512, CalloutStatus::Refused}, CodeRow{550, CalloutStatus::Refused},
    CodeRow{551, CalloutStatus::Refused}, CodeRow{552, CalloutStatus::Temporary},
    CodeRow{553, CalloutStatus::Refused}, CodeRow{556, CalloutStatus::Refused},
};

// Words with which servers refuse the one who asks, where no enhanced status tells the two apart.
constexpr std::array<std::string_view, 16> kOfUs{
    "relay",     "block",  "denied",      "policy", "prohibit",  "spam",   "dnsbl", "rbl",
    "blacklist", "sender", "reverse dns", "rdns",   "rcpthosts", "client", "helo",  "authent"};
// The same of temporary ones.
constexpr std::array<std::string_view, 5> kGreylisted{"greylist", "graylist", "grey-list",
                                                      "gray-list", "postgrey"};

template <std::size_t N>
bool says_any(const std::array<std::string_view, N>& words, const std::string& text) {
  const std::string folded = fold(text);
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return folded.find(word) != std::string::npos; });
}

bool is_policy(const SmtpReply& reply) { return reply.status && reply.status->subject == 7; }

CalloutStatus read_temporary(const SmtpReply& reply) {
  return is_policy(reply) || says_any(kGreylisted, reply.text) ? CalloutStatus::Undecided
                                                               : CalloutStatus::Temporary;
}

CalloutStatus read_refused_recipient(const SmtpReply& reply) {
  if (reply.status && reply.status->subject != 0) {
    const auto row = std::find_if(kStatuses.begin(), kStatuses.end(), [&](const StatusRow& r) {
      return r.subject == reply.status->subject && r.detail == reply.status->detail;
    });
    return row != kStatuses.end() ? row->permanent : CalloutStatus::Undecided;
  }
  const auto row = std::find_if(kCodes.begin(), kCodes.end(),
                                [&](const CodeRow& r) { return r.code == reply.code; });
  if (row == kCodes.end() || says_any(kOfUs, reply.text)) return CalloutStatus::Undecided;
  return row->status;
}

CalloutStatus read_recipient(const SmtpReply& reply) {
  if (reply.is_success()) return CalloutStatus::Accepted;
  if (reply.is_temporary()) return read_temporary(reply);
  if (reply.is_permanent()) return read_refused_recipient(reply);
  return CalloutStatus::Dropped;  // 3yz: it does not know what it says
}

// 5yz to the greeting, EHLO or MAIL FROM:<> is about us.
CalloutStatus read_before_recipient(const SmtpReply& reply) {
  if (reply.is_temporary()) return read_temporary(reply);
  return reply.is_permanent() ? CalloutStatus::Undecided : CalloutStatus::Dropped;
}

}  // namespace

CalloutReading read_callout(const SmtpOutcome& outcome) {
  const bool is_recipient = outcome.phase == SmtpPhase::Rcpt;
  switch (outcome.end) {
    case SmtpEnd::Replied:
      if (is_recipient) return {read_recipient(outcome.reply), false};
      return {read_before_recipient(outcome.reply), true};
    case SmtpEnd::NotConnected:
      return {CalloutStatus::NoAnswer, true};
    case SmtpEnd::Silent:
      return {CalloutStatus::NoAnswer, !is_recipient};
    case SmtpEnd::Dropped:
    case SmtpEnd::Malformed:
      return {CalloutStatus::Dropped, !is_recipient};
    case SmtpEnd::Unsayable:
      break;
  }
  return {CalloutStatus::Undecided, false};
}

std::string describe_callout(const SmtpOutcome& outcome) {
  if (outcome.end == SmtpEnd::NotConnected) return "no connection";
  const std::string at = std::string(smtp_phase_name(outcome.phase)) + ": ";
  switch (outcome.end) {
    case SmtpEnd::Replied:
      return at + outcome.reply.summary();
    case SmtpEnd::Silent:
      return at + "no reply in time";
    case SmtpEnd::Dropped:
      return at + "the connection was dropped";
    case SmtpEnd::Malformed:
      return at + "no SMTP";
    case SmtpEnd::Unsayable:
    case SmtpEnd::NotConnected:
      break;
  }
  return at + "the address cannot be said to this server";
}

}  // namespace sluice::backends
