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

ParsedPath parse(std::string_view path, bool utf8) {
  ParsedPath result;
  auto parsed = mail::parse_path(path, utf8 ? mail::Utf8::Allowed : mail::Utf8::Refused,
                                 mail::SourceRoute::Stripped);
  if (parsed && !*parsed) {
    result.is_null = true;
  } else if (parsed) {
    mail::Address& address = **parsed;
    result.is_literal = address.is_literal;
    result.address = address.domain.empty() ? address.local_part : address.to_string();
    result.local_part = std::move(address.local_part);
    result.domain = std::move(address.domain);
  } else {
    const std::string_view text = mail::strip_brackets(path);
    const mail::RawParts parts = mail::split_at_last_at(text);
    result.address = std::string(text);
    result.local_part = std::string(parts.local_part);
    result.domain = mail::to_ascii_domain(parts.domain).value_or(fold(parts.domain));
    result.error = parsed.error().what.empty() ? "not a mail address" : parsed.error().what;
  }
  return result;
}

}  // namespace

const ParsedPath& parse_for_facts(std::string_view path, bool utf8) {
  struct Last {
    std::string path;
    bool utf8 = false;
    ParsedPath parsed = parse("", false);
  };
  // The facts of one sender or recipient are asked one after the other.
  thread_local Last last;
  if (last.path != path || last.utf8 != utf8) {
    last.parsed = parse(path, utf8);
    last.path = path;
    last.utf8 = utf8;
  }
  return last.parsed;
}

}  // namespace sluice::facts
