// An envelope path as facts see it: valid or not, there are always parts to look at.
#pragma once
#include <string>
#include <string_view>

#include "mail/session_view.h"

namespace sluice::facts {

struct ParsedPath {
  bool is_null = false;     // <>
  bool is_literal = false;  // user@[192.0.2.1]
  std::string address;      // normalised when valid, else as sent, without brackets
  std::string local_part;
  std::string
      domain;         // lower-case A-labels when it is a domain, else what stands behind the last @
  std::string error;  // empty: valid
};

// SMTPUTF8 was given with MAIL (RFC 6531).
bool wants_utf8(const mail::Envelope& envelope);
// The null path is the sender's alone, "postmaster" without a domain a recipient's (RFC 5321 4.1.2).
enum class PathOf { Sender, Recipient };
// Good until this thread's next call.
const ParsedPath& parse_for_facts(std::string_view path, bool utf8, PathOf whose);

}  // namespace sluice::facts
