// rooms: mail
// Mail addresses: the real parser against a naive one, and what must hold for whatever it lets
// through.
#include <cstdint>
#include <string>
#include <string_view>

#include "mail/address.h"
#include "naive_mailbox.h"
#include "require.h"

namespace {

using namespace sluice;
using namespace sluice::mail;
using fuzz::require;

// Conversion to A-labels and folding may lengthen a text beyond what can be parsed again.
bool fits(const std::string& text) {
  return text.size() <= 254 && split_at_last_at(text).local_part.size() <= 64;
}

void check_accepted(const Address& address) {
  const std::string text = address.to_string();
  if (fits(text)) {
    const auto again = parse_mailbox(text, Utf8::Allowed);
    require(again && *again == address, "an address that is printed parses to the same address");
  }
  for (const bool exact : {false, true}) {
    const std::string key = address.key(exact);
    if (!fits(key)) continue;
    const auto again = parse_mailbox(key, Utf8::Allowed);
    require(again && again->key(exact) == key, "the key of a key is the key");
  }
}

void check_mailbox(std::string_view text, Utf8 utf8) {
  const auto address = parse_mailbox(text, utf8);
  require(address.has_value() == fuzz::naive_is_mailbox(text, utf8 == Utf8::Allowed),
          "both parsers agree");
  if (address) {
    check_accepted(*address);
  } else {
    require(!address.error().what.empty(), "a refusal has a reason");
  }
  if (text.empty() || text.front() == '@') return;
  const auto path = parse_path("<" + std::string(text) + ">", utf8, SourceRoute::Refused);
  if (address) {
    require(path && *path && **path == *address, "a mailbox in angle brackets is the same mailbox");
  } else {
    require(!path || ((*path)->domain.empty() && text.size() == 10),
            "only postmaster may lack a domain");
  }
}

void check_text(const std::string& text) {
  const RawParts parts = split_at_last_at(text);
  require(parts.local_part.size() + parts.domain.size() <= text.size(), "parts are parts");
  for (const std::string_view delimiters : {"+", "-", "+-", "-+", "-=+"}) {
    const std::string stripped = strip_tag(text, delimiters);
    require(strip_tag(stripped, delimiters) == stripped, "what has no tag stays");
    require(stripped.size() <= text.size(), "a tag is taken off, nothing is added");
  }
  for (const SourceRoute route : {SourceRoute::Refused, SourceRoute::Stripped}) {
    const auto path = parse_path(text, Utf8::Allowed, route);
    if (path && *path && !(*path)->domain.empty()) check_accepted(**path);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  check_mailbox(text, Utf8::Refused);
  check_mailbox(text, Utf8::Allowed);
  check_text(text);
  return 0;
}
