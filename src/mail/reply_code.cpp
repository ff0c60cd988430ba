#include "mail/reply_code.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace sluice::mail {
namespace {

constexpr EnhancedStatus kNoStatus{0, 0, 0};

constexpr ReplyCode mta_says(std::uint16_t code, std::string_view text, std::string_view met) {
  return {code, kNoStatus, text, met, "", code, kNoStatus, false};
}

// A code that an RFC has registered with this meaning: `reply_codes: rfc` leaves it alone.
constexpr ReplyCode registered(std::uint16_t code, EnhancedStatus status, std::string_view text,
                               std::string_view cause, std::string_view stages) {
  return {code, status, text, cause, stages, code, status, true};
}

// A code of convention, and what sites answer that want registered codes only.
constexpr ReplyCode customary(std::uint16_t code, EnhancedStatus status, std::string_view text,
                              std::string_view cause, std::string_view stages,
                              std::uint16_t rfc_code) {
  return {code, status, text, cause, stages, rfc_code, status, true};
}

constexpr std::array kReplyCodes{
    mta_says(101, "No connection: wrong server name or port",
             "callout and doctor: could not connect"),
    mta_says(211, "System status", "doctor prints it"),
    mta_says(214, "Help text", "doctor prints it"),
    mta_says(220, "Service ready", "callout, doctor: the greeting"),
    mta_says(221, "Closing the channel", "callout, doctor: the answer to QUIT"),
    mta_says(235, "Authentication succeeded", "doctor --auth"),
    mta_says(250, "Done", "callout: recipient accepted"),
    mta_says(251, "User not local, will forward", "callout: accepted"),
    mta_says(252, "Cannot verify, will try", "callout: accepted, not proven"),
    mta_says(334, "AUTH challenge", "doctor --auth"),
    mta_says(354, "Send the message", "doctor: the answer to DATA"),
    registered(421, {4, 3, 2}, "Service not available, closing transmission channel",
               "connection flood, maintenance (disconnect)", "any"),
    customary(422, {4, 2, 2}, "Recipient's mailbox has exceeded its storage limit",
              "rcpt.quota_used over the soft limit", "rcpt", 452),
    customary(431, {4, 7, 28}, "Too many messages to this domain", "limit per recipient domain",
              "rcpt", 452),
    registered(432, {4, 7, 12}, "A password transition is needed",
               "login with a password of an old scheme", "mail"),
    customary(441, {4, 4, 1}, "No response from the recipient's server", "callout: no answer",
              "rcpt", 450),
    customary(442, {4, 4, 2}, "Connection to the recipient's server dropped",
              "callout: dropped in mid-dialogue", "rcpt", 450),
    customary(446, {4, 4, 6}, "Mail loop: too many hops", "received.count over the limit",
              "headers", 451),
    registered(450, {4, 7, 1}, "Mailbox or service busy, try again later",
               "greylist; limit (4.7.28)", "rcpt"),
    registered(451, {4, 3, 0}, "Local error in processing",
               "on_error: defer, on_unknown: defer (4.4.3 for DNS)", "any"),
    registered(452, {4, 5, 3}, "Too many recipients",
               "recipients over the cap; profile split; 4.3.1 little storage left", "rcpt"),
    registered(454, {4, 7, 0}, "TLS not available at the moment",
               "sender domain that must use TLS, during its grace period", "mail"),
    registered(455, {4, 5, 4}, "Parameters cannot be accommodated at the moment",
               "MAIL parameter (BINARYMIME, SMTPUTF8, SIZE at peak) not possible now", "mail"),
    customary(471, {4, 3, 0}, "Error of the local spam filter",
              "spam.score is unknown and the site wants to wait", "end", 451),
    registered(500, {5, 5, 2}, "Syntax error: line too long or control characters",
               "over-long or dirty command argument", "helo mail rcpt"),
    registered(501, {5, 5, 4}, "Syntax error in parameters",
               "HELO name that is no name (helo.valid)", "helo"),
    registered(502, {5, 5, 1}, "Command not implemented", "unknown commands, repeated", "command"),
    registered(503, {5, 5, 1}, "Bad sequence of commands", "MAIL before HELO or EHLO", "mail"),
    registered(504, {5, 5, 2}, "Command parameter not implemented", "HELO name not fully qualified",
               "helo"),
    customary(
        510, {5, 1, 8}, "Invalid email address",
        "sender domain cannot receive mail (null MX: 5.7.27); callout: no such sender (5.1.0)",
        "mail", 550),
    customary(512, {5, 1, 2}, "DNS error: no such recipient domain",
              "rcpt.resolves is false (null MX: 5.1.10, by RFC 556)", "rcpt", 550),
    registered(521, {5, 3, 2}, "This host accepts no mail", "none of the shipped ones (RFC 7504)",
               "connect"),
    customary(523, {5, 3, 4}, "Message is too big", "declared SIZE at MAIL, real size at the end",
              "mail end", 552),
    registered(524, {5, 7, 11}, "Encryption required for this authentication mechanism",
               "none of the shipped ones (RFC 5248)", "mail"),
    registered(525, {5, 7, 13}, "User account disabled", "none of the shipped ones (RFC 5248)",
               "mail"),
    registered(530, {5, 7, 0}, "Must issue a STARTTLS command first, or authenticate",
               "sender domain must use TLS; submission without login", "mail"),
    registered(534, {5, 7, 9}, "Authentication mechanism is too weak",
               "none of the shipped ones (RFC 4954)", "mail"),
    registered(535, {5, 7, 8}, "Authentication credentials invalid", "login is locked", "mail"),
    registered(538, {5, 7, 11}, "Encryption required for this authentication mechanism",
               "PLAIN or LOGIN without TLS", "mail"),
    customary(541, {5, 7, 1}, "Message rejected by the spam filter",
              "spam.score over the reject threshold", "end", 550),
    registered(550, {5, 7, 1}, "Rejected for policy reasons",
               "block lists, own domain from outside, SPF 5.7.23, DKIM 5.7.20, DMARC, reverse DNS "
               "5.7.25, no mailbox "
               "5.1.1",
               "any"),
    registered(551, {5, 1, 6}, "User not local", "moved users table", "rcpt"),
    registered(552, {5, 2, 2}, "Mailbox is full", "rcpt.quota_used over the hard limit",
               "rcpt end"),
    registered(553, {5, 1, 7}, "Mail address syntax not allowed",
               "sender syntax 5.1.7, recipient syntax 5.1.3, sender not owned by the login 5.7.1",
               "mail rcpt"),
    registered(554, {5, 7, 1}, "Transaction failed, or no SMTP service here",
               "client blocked at connect; virus", "connect end"),
    registered(555, {5, 5, 4}, "Parameters not recognized or not implemented",
               "unknown MAIL or RCPT parameter", "mail rcpt"),
    registered(556, {5, 1, 10}, "Recipient's domain accepts no mail",
               "null MX where codes of RFCs are wanted", "rcpt"),
};

// IANA's enumerated status codes, in words for the person who gets the bounce. Class 0: either
// class. Statuses that say too little by themselves (5.7.1) are absent: there the code's own text
// is better.
struct StatusText {
  EnhancedStatus status;
  std::string_view text;
};

constexpr std::array kStatusTexts{
    StatusText{{0, 1, 0}, "Address not accepted"},
    StatusText{{5, 1, 1}, "No such mailbox here"},
    StatusText{{4, 1, 1}, "The mailbox could not be looked up, try again later"},
    StatusText{{5, 1, 2}, "The recipient's domain does not exist"},
    StatusText{{4, 1, 2}, "The recipient's domain could not be looked up, try again later"},
    StatusText{{0, 1, 3}, "Recipient address syntax not allowed"},
    StatusText{{0, 1, 4}, "Recipient address is ambiguous"},
    StatusText{{0, 1, 6}, "Mailbox has moved, no forwarding address"},
    StatusText{{0, 1, 7}, "Sender address syntax not allowed"},
    StatusText{{5, 1, 8}, "The sender's domain cannot receive mail"},
    StatusText{{4, 1, 8}, "The sender's domain could not be looked up, try again later"},
    StatusText{{0, 1, 10}, "The recipient's domain accepts no mail (null MX)"},
    StatusText{{5, 2, 1}, "Mailbox is disabled"},
    StatusText{{4, 2, 1}, "Mailbox is disabled at the moment, try again later"},
    StatusText{{5, 2, 2}, "Mailbox is full"},
    StatusText{{4, 2, 2}, "Recipient's mailbox has exceeded its storage limit"},
    StatusText{{0, 2, 3}, "Message is larger than this mailbox accepts"},
    StatusText{{0, 2, 4}, "Mailing list expansion problem"},
    StatusText{{5, 3, 1}, "Mail system storage is full"},
    StatusText{{4, 3, 1}, "Little storage left, try again later"},
    StatusText{{5, 3, 2}, "This host accepts no mail"},
    StatusText{{4, 3, 2}, "Service not available at the moment, try again later"},
    StatusText{{0, 3, 3}, "System not capable of the selected features"},
    StatusText{{0, 3, 4}, "Message is too big"},
    StatusText{{0, 3, 5}, "System incorrectly configured"},
    StatusText{{0, 4, 1}, "No response from the recipient's server"},
    StatusText{{0, 4, 2}, "Connection to the recipient's server dropped"},
    StatusText{{5, 4, 3}, "A directory look-up failed"},
    StatusText{{4, 4, 3}, "A DNS look-up failed, try again later"},
    StatusText{{0, 4, 4}, "Unable to route"},
    StatusText{{0, 4, 5}, "Mail system is congested, try again later"},
    StatusText{{0, 4, 6}, "Mail loop: too many hops"},
    StatusText{{0, 4, 7}, "Delivery time expired"},
    StatusText{{0, 5, 3}, "Too many recipients"},
    StatusText{{0, 6, 1}, "Media type not accepted"},
    StatusText{{0, 6, 2}, "Conversion required and prohibited"},
    StatusText{{0, 6, 3}, "Conversion required but not supported"},
    StatusText{{0, 6, 7}, "Non-ASCII addresses are not accepted for this recipient"},
    StatusText{{0, 6, 8}, "A UTF-8 reply would be needed, but is not permitted"},
    StatusText{{0, 6, 9}, "UTF-8 headers cannot be passed on to this recipient"},
    StatusText{{0, 7, 2}, "Not allowed to send to this mailing list"},
    StatusText{{0, 7, 5}, "Cryptographic failure"},
    StatusText{{0, 7, 7}, "Message integrity failure"},
    StatusText{{0, 7, 8}, "Authentication credentials invalid"},
    StatusText{{0, 7, 9}, "Authentication mechanism is too weak"},
    StatusText{{0, 7, 10}, "Encryption needed"},
    StatusText{{0, 7, 11}, "Encryption required for this authentication mechanism"},
    StatusText{{0, 7, 12}, "A password transition is needed"},
    StatusText{{0, 7, 13}, "User account disabled"},
    StatusText{{0, 7, 14}, "Trust relationship required"},
    StatusText{{0, 7, 15}, "Priority level is too low"},
    StatusText{{0, 7, 16}, "Message is too big for the specified priority"},
    StatusText{{0, 7, 17}, "Mailbox owner has changed"},
    StatusText{{0, 7, 18}, "Domain owner has changed"},
    StatusText{{0, 7, 19}, "The owner of the mailbox cannot be verified"},
    StatusText{{0, 7, 20}, "No passing DKIM signature found"},
    StatusText{{0, 7, 21}, "No acceptable DKIM signature found"},
    StatusText{{0, 7, 22}, "No valid DKIM signature of the author's domain found"},
    StatusText{{0, 7, 23}, "SPF validation failed: the sender's domain does not allow this host"},
    StatusText{{5, 7, 24}, "SPF validation error: the sender's SPF record is broken"},
    StatusText{{4, 7, 24}, "SPF could not be checked, try again later"},
    StatusText{{5, 7, 25}, "Reverse DNS validation failed: the client has no matching name"},
    StatusText{{4, 7, 25}, "Reverse DNS could not be validated, try again later"},
    StatusText{{0, 7, 26}, "Multiple authentication checks failed"},
    StatusText{{0, 7, 27}, "The sender's domain accepts no mail (null MX)"},
    StatusText{{5, 7, 28}, "Mail flood detected"},
    StatusText{{4, 7, 28}, "Mail flood detected, try again later"},
    StatusText{{0, 7, 29}, "ARC validation failed"},
    StatusText{{0, 7, 30}, "REQUIRETLS support required"},
};

// A number of one to `digits` digits off the front of `text`.
std::optional<std::uint16_t> take_number(std::string_view& text, std::size_t digits) {
  std::uint16_t value = 0;
  const auto end =
      std::from_chars(text.data(), text.data() + std::min(digits, text.size()), value).ptr;
  const auto length = static_cast<std::size_t>(end - text.data());
  if (length == 0) return std::nullopt;
  text.remove_prefix(length);
  return value;
}

bool take_dot(std::string_view& text) {
  if (text.empty() || text.front() != '.') return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::optional<EnhancedStatus> EnhancedStatus::parse(std::string_view text) {
  const auto status_class = take_number(text, 1);
  if (!status_class || !take_dot(text)) return std::nullopt;
  const auto subject = take_number(text, 3);
  if (!subject || !take_dot(text)) return std::nullopt;
  const auto detail = take_number(text, 3);
  if (!detail || !text.empty()) return std::nullopt;
  if (*status_class != 2 && *status_class != 4 && *status_class != 5) return std::nullopt;
  return EnhancedStatus{*status_class, *subject, *detail};
}

std::string EnhancedStatus::to_string() const {
  return std::to_string(status_class) + '.' + std::to_string(subject) + '.' +
         std::to_string(detail);
}

std::span<const ReplyCode> reply_codes() { return kReplyCodes; }

const ReplyCode* find_reply_code(int code) {
  const auto found =
      std::lower_bound(kReplyCodes.begin(), kReplyCodes.end(), code,
                       [](const ReplyCode& row, int wanted) { return row.code < wanted; });
  return found != kReplyCodes.end() && found->code == code ? &*found : nullptr;
}

int rfc_reply_code(int code, const EnhancedStatus& status) {
  // RFC 7505 4.2 has a code of its own for a recipient domain with a null MX.
  if (code == 512 && status == EnhancedStatus{5, 1, 10}) return 556;
  const ReplyCode* const row = find_reply_code(code);
  return row != nullptr ? row->rfc_code : code;
}

std::string_view status_text(const EnhancedStatus& status) {
  const auto found =
      std::find_if(kStatusTexts.begin(), kStatusTexts.end(), [&status](const StatusText& row) {
        return row.status.subject == status.subject && row.status.detail == status.detail &&
               (row.status.status_class == 0 || row.status.status_class == status.status_class);
      });
  return found != kStatusTexts.end() ? found->text : std::string_view();
}

std::string_view default_text(int code, const EnhancedStatus& status) {
  const ReplyCode* const row = find_reply_code(code);
  if (row != nullptr && row->enhanced == status) return row->text;
  const std::string_view by_status = status_text(status);
  return by_status.empty() && row != nullptr ? row->text : by_status;
}

}  // namespace sluice::mail
