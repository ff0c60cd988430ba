// The parts of a message (RFC 2046) as ranges of its body. One pass over the lines, a bounded stack
// of boundaries: a million parts, a depth of ten thousand or a missing end cost no more than their
// bytes.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "facts/mime_parameters.h"
#include "mail/session_view.h"

namespace sluice::facts {

inline constexpr std::size_t kMaxParts = 500;     // of one message; further ones are not looked at
inline constexpr std::size_t kMaxMimeDepth = 32;  // deeper multiparts count as one part
inline constexpr std::size_t kMaxPartHeaderBytes = 64 * 1024;

struct MimePart {
  MimeField type;  // text/plain when the part does not say
  MimeField disposition;
  std::string encoding;            // folded: 7bit, base64, quoted-printable, …
  std::string headers;             // of an enclosed message: its header block as sent
  std::size_t begin = 0, end = 0;  // of its content in the body; a multipart's is empty
  std::size_t depth = 0;
  bool is_container = false;  // multipart or message/rfc822
};

struct MimeStructure {
  std::vector<MimePart> parts;  // the message itself first
  bool truncated = false;       // more parts, or deeper, than we look at
  bool ambiguous = false;       // readers could disagree about the structure
};

// `headers`: of the message. Total: any bytes give a structure.
MimeStructure parse_structure(const std::vector<mail::Header>& headers, std::string_view body);

// Content of a part with its transfer encoding undone, at most `cap` bytes.
std::string decode_content(const MimePart& part, std::string_view body, std::size_t cap);

}  // namespace sluice::facts
