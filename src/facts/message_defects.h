// What is wrong with the form of a message: what two readers could read in two ways, or what no
// honest program sends (RFC 5322 2.1, 3.6; RFC 2045; OPERATIONS: parser differentials). Words that
// rules compare with; the message itself is not changed.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "facts/mime_structure.h"
#include "mail/session_view.h"

namespace sluice::facts {

// bare-cr, bare-lf, nul: in the body as the MTA gives it. long-line: over 998 octets.
// control-in-header, eight-bit-header: octets a header field may not have without SMTPUTF8.
// duplicate-field: a field that may stand once stands twice. ambiguous-mime: a parameter given
// twice, an unclosed quote, two Content-Type fields. too-complex: more parts, or deeper, than we
// look at. Sorted; each once.
std::vector<std::string> defects_of(const mail::Message& message, const MimeStructure& structure);

// Names of fields that may stand once (RFC 5322 3.6, RFC 2045) and stand more often, in lower case,
// sorted.
std::vector<std::string> duplicated_fields(const std::vector<mail::Header>& headers);

// Scripts of the letters in a text, as ISO 15924 codes ("Latn", "Cyrl"), in the order in which they
// first appear. Digits, signs and marks belong to none. Looks at kMaxScriptText octets.
inline constexpr std::size_t kMaxScriptText = 64 * 1024;
std::vector<std::string> scripts_of(std::string_view utf8);

}  // namespace sluice::facts
