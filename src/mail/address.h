// Mail addresses (RFC 5321 4.1.2, RFC 6531 3.3): one parser for every use.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice::mail {

inline constexpr std::size_t kMaxLocalPart = 64;   // octets, RFC 5321 4.5.3.1.1
inline constexpr std::size_t kMaxPath = 256;       // with the angle brackets, 4.5.3.1.3

struct Address {
  std::string local_part;  // as written, quotes kept
  std::string domain;      // lower-case A-labels, or an address literal with its brackets
  bool is_literal = false;

  std::string to_string() const;  // without "@" when the domain is empty
  // For keys and comparisons: local part folded (unless exact), unquoted when the quotes are not needed, else with as few
  // backslashes as possible. Two spellings of one mailbox have one key; the key of a key is the key.
  std::string key(bool exact_local_part = false) const;
  bool operator==(const Address&) const = default;
};

enum class Utf8 { Refused, Allowed };  // RFC 6531: allowed only after SMTPUTF8

// A Mailbox, without angle brackets, at most kMaxPath - 2 octets. The error's text is for a person: "a dot may not stand first in the local part".
Result<Address> parse_mailbox(std::string_view text, Utf8 utf8);

enum class SourceRoute { Refused, Stripped };  // "<@a,@b:c@d>", RFC 5321 C

// The argument of MAIL FROM or RCPT TO: angle brackets optional. "<>" (or nothing) is the null path: nullopt as value.
// "<postmaster>" without a domain (4.1.1.3) has an empty domain; only RCPT may say it, which the caller checks.
Result<std::optional<Address>> parse_path(std::string_view text, Utf8 utf8, SourceRoute route);

// Text before and after the last '@' of whatever came (no '@': all is local part), for facts about invalid addresses.
struct RawParts {
  std::string_view local_part;
  std::string_view domain;
};
RawParts split_at_last_at(std::string_view text);
// Without its angle brackets, if it has both.
std::string_view strip_brackets(std::string_view path);

// "ann+news@x" -> "ann@x" for each delimiter character; quoted local parts stay, and no tag leaves an empty local part.
// With "-" among the delimiters "owner-x" and "x-request" stay (mailing lists, as in Postfix). Idempotent.
std::string strip_tag(std::string_view address, std::string_view delimiters);

}  // namespace sluice::mail
