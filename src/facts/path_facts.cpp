#include "facts/path_facts.h"

#include <algorithm>

#include "base/text.h"
#include "mail/address.h"
#include "mail/domain.h"

namespace sluice::facts {

bool wants_utf8(const mail::Envelope& envelope) {
  return std::any_of(envelope.parameters.begin(), envelope.parameters.end(),
                     [](const std::string& p) { return equal_folded(p, "SMTPUTF8"); });
}

namespace {

// What the path says as it stands, valid or not.
ParsedPath raw_path(std::string_view path, std::string_view error) {
  ParsedPath result;
  const std::string_view text = mail::strip_brackets(path);
  const mail::RawParts parts = mail::split_at_last_at(text);
  result.address = std::string(text);
  result.local_part = std::string(parts.local_part);
  result.domain = mail::to_ascii_domain(parts.domain).value_or(fold(parts.domain));
  result.error = error.empty() ? "not a mail address" : error;
  return result;
}

ParsedPath parse(std::string_view path, bool utf8, PathOf whose) {
  auto parsed = mail::parse_path(path, utf8 ? mail::Utf8::Allowed : mail::Utf8::Refused,
                                 mail::SourceRoute::Stripped);
  if (!parsed) return raw_path(path, parsed.error().what);
  ParsedPath result;
  if (!*parsed) {
    if (whose == PathOf::Recipient) return raw_path(path, "the address is empty");
    result.is_null = true;
    return result;
  }
  mail::Address& address = **parsed;
  if (address.domain.empty() && whose == PathOf::Sender)
    return raw_path(path, "the address has no @ and no domain");
  result.is_literal = address.is_literal;
  result.address = address.to_string();
  result.local_part = std::move(address.local_part);
  result.domain = std::move(address.domain);
  return result;
}

}  // namespace

const ParsedPath& parse_for_facts(std::string_view path, bool utf8, PathOf whose) {
  struct Last {
    std::string path;
    bool utf8 = false;
    PathOf whose = PathOf::Sender;
    ParsedPath parsed = parse("", false, PathOf::Sender);
  };
  // The facts of one sender or recipient are asked one after the other.
  thread_local Last last;
  if (last.path != path || last.utf8 != utf8 || last.whose != whose) {
    last.parsed = parse(path, utf8, whose);
    last.path = path;
    last.utf8 = utf8;
    last.whose = whose;
  }
  return last.parsed;
}

}  // namespace sluice::facts
