#include "mail/address.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "base/utf8.h"
#include "mail/domain.h"

namespace sluice::mail {
namespace {

constexpr std::size_t kMaxMailbox = kMaxPath - 2;  // without the angle brackets
constexpr std::string_view kPostmaster = "postmaster";

bool is_atext(char c) {
  constexpr std::string_view marks = "!#$%&'*+-/=?^_`{|}~";
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         marks.find(c) != std::string_view::npos;
}

bool is_printable(char c) { return c >= 0x20 && c <= 0x7E; }
bool is_high(char c) { return static_cast<std::uint8_t>(c) >= 0x80; }

bool is_dot_string(std::string_view text) {
  char before = '.';  // no atom is empty
  for (const char c : text) {
    if (c == '.' ? before == '.' : !is_atext(c) && !is_high(c)) return false;
    before = c;
  }
  return before != '.';
}

// Where the mailbox has its "@": behind the quoted string, or the first one.
std::size_t find_at_sign(std::string_view text) {
  if (text.empty() || text.front() != '"') return text.find('@');
  std::size_t at = 1;
  while (at < text.size() && text[at] != '"') at += text[at] == '\\' ? 2 : 1;
  return at + 1 < text.size() && text[at + 1] == '@' ? at + 1 : std::string_view::npos;
}

// nullptr: nothing is wrong with the local part.
const char* fault_of_quoted(std::string_view text) {
  if (text.size() < 2 || text.back() != '"') return "the quoted local part has no closing quote";
  const std::string_view inner = text.substr(1, text.size() - 2);
  for (std::size_t i = 0; i < inner.size(); ++i) {
    if (inner[i] == '"') return "a quote within the local part needs a backslash";
    const bool escaped = inner[i] == '\\';
    if (escaped && ++i == inner.size()) return "the quoted local part has no closing quote";
    // RFC 6531 3.3 adds UTF-8 to the text between the quotes, but not behind a backslash.
    if (is_high(inner[i]) ? escaped : !is_printable(inner[i]))
      return "the local part has a character that no quotes allow";
  }
  return nullptr;
}

const char* fault_of_dot_string(std::string_view text) {
  if (text.front() == '.') return "a dot may not stand first in the local part";
  if (text.back() == '.') return "a dot may not stand last in the local part";
  if (text.find("..") != std::string_view::npos)
    return "two dots may not stand together in the local part";
  if (!is_dot_string(text)) return "the local part has a character that needs quotes";
  return nullptr;
}

const char* fault_of_local_part(std::string_view text) {
  if (text.empty()) return "the local part is empty";
  if (text.size() > kMaxLocalPart) return "the local part is longer than 64 octets";
  return text.front() == '"' ? fault_of_quoted(text) : fault_of_dot_string(text);
}

const char* fault_of_octets(std::string_view text, Utf8 utf8) {
  if (text.size() > kMaxMailbox) return "the address is longer than 254 octets";
  if (is_ascii(text)) return nullptr;
  if (utf8 == Utf8::Refused) return "a character outside US-ASCII needs SMTPUTF8";
  return is_utf8(text) ? nullptr : "the address is not well-formed UTF-8";
}

Result<Address> with_domain(std::string_view local_part, std::string_view domain) {
  if (domain.empty()) return permanent("the domain is empty");
  if (domain.front() == '[') {
    auto literal = to_address_literal(domain);
    if (!literal) return permanent("the address literal is not valid");
    return Address{std::string(local_part), std::move(*literal), true};
  }
  if (has_final_dot(domain)) return permanent("a dot may not stand last in the domain");
  auto ascii = to_ascii_domain(domain);
  if (!ascii) return permanent("the domain is not a valid domain name");
  return Address{std::string(local_part), std::move(*ascii), false};
}

// Takes "@a,@b:" off the front (RFC 5321 4.1.2, A-d-l); false when it is no source route.
bool strip_source_route(std::string_view& text, Utf8 utf8) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return false;
  if (utf8 == Utf8::Refused && !is_ascii(text.substr(0, colon))) return false;
  for (const std::string_view hop : split(text.substr(0, colon), ',')) {
    if (hop.empty() || hop.front() != '@' || has_final_dot(hop) || !to_ascii_domain(hop.substr(1)))
      return false;
  }
  text.remove_prefix(colon + 1);
  return true;
}

// The text that a quoted string stands for.
std::string unquoted(std::string_view quoted) {
  std::string text;
  for (std::size_t i = 1; i + 1 < quoted.size(); ++i) {
    if (quoted[i] == '\\' && i + 2 < quoted.size()) ++i;
    text += quoted[i];
  }
  return text;
}

std::string quoted(std::string_view text) {
  std::string made = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') made += '\\';
    made += c;
  }
  return made + '"';
}

// Mailing lists own the names "owner-x" and "x-request": with "-" as delimiter these are no tags
// (as in Postfix).
bool is_list_name(std::string_view local_part, char delimiter) {
  if (delimiter != '-') return false;
  const std::string folded = fold(local_part);
  const std::string_view name = folded;
  return name.starts_with("owner-") || name.ends_with("-request");
}

// Where the tag begins, or the length when there is none. A tag never leaves an empty name.
std::size_t tag_start(std::string_view local_part, std::string_view delimiters) {
  for (const char delimiter : delimiters) {
    if (is_list_name(local_part, delimiter)) continue;
    const std::size_t found = local_part.find(delimiter);
    if (found != std::string_view::npos && found > 0) return found;
  }
  return local_part.size();
}

}  // namespace

std::string Address::to_string() const {
  return domain.empty() ? local_part : local_part + '@' + domain;
}

std::string Address::key(bool exact_local_part) const {
  const bool has_quotes = !local_part.empty() && local_part.front() == '"';
  std::string name = has_quotes ? unquoted(local_part) : local_part;
  if (!exact_local_part) name = fold(name);
  if (has_quotes && !is_dot_string(name)) name = quoted(name);
  return domain.empty() ? name : name + '@' + domain;
}

Result<Address> parse_mailbox(std::string_view text, Utf8 utf8) {
  if (text.empty()) return permanent("the address is empty");
  if (const char* fault = fault_of_octets(text, utf8)) return permanent(fault);
  const std::size_t at = find_at_sign(text);
  if (at == std::string_view::npos) {
    return permanent(text.front() == '"' ? "an @ must follow the quoted local part"
                                         : "the address has no @");
  }
  const std::string_view local_part = text.substr(0, at);
  if (const char* fault = fault_of_local_part(local_part)) return permanent(fault);
  return with_domain(local_part, text.substr(at + 1));
}

Result<std::optional<Address>> parse_path(std::string_view text, Utf8 utf8, SourceRoute route) {
  if (text.size() > kMaxPath) return permanent("the path is longer than 256 octets");
  const bool opened = !text.empty() && text.front() == '<';
  if (opened != (!text.empty() && text.back() == '>'))
    return permanent("the angle brackets do not match");
  if (opened) text = text.substr(1, text.size() - 2);
  if (text.empty()) return std::optional<Address>();
  if (text.front() == '@') {
    if (route == SourceRoute::Refused) return permanent("a source route is not accepted");
    if (!strip_source_route(text, utf8)) return permanent("the source route is not valid");
  }
  if (text.size() == kPostmaster.size() && equal_folded(text, kPostmaster))
    return std::optional(Address{std::string(text), "", false});
  auto mailbox = parse_mailbox(text, utf8);
  if (!mailbox) return tl::unexpected<Error>(mailbox.error());
  return std::optional(std::move(*mailbox));
}

RawParts split_at_last_at(std::string_view text) {
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos) return {text, {}};
  return {text.substr(0, at), text.substr(at + 1)};
}

std::string_view strip_brackets(std::string_view path) {
  const bool paired = path.size() >= 2 && path.front() == '<' && path.back() == '>';
  return paired ? path.substr(1, path.size() - 2) : path;
}

std::string strip_tag(std::string_view address, std::string_view delimiters) {
  if (!address.empty() && address.front() == '"') return std::string(address);
  const std::size_t at = std::min(address.rfind('@'), address.size());
  std::string_view local_part = address.substr(0, at);
  // Until nothing changes: taking one tag off may uncover another, and the result is a key.
  for (std::size_t start = 0; (start = tag_start(local_part, delimiters)) < local_part.size();) {
    local_part = local_part.substr(0, start);
  }
  return std::string(local_part).append(address.substr(at));
}

}  // namespace sluice::mail
