#include "policy/matching.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/text.h"
#include "mail/address.h"
#include "mail/domain.h"

namespace sluice::policy {
namespace {

// What a text holds beyond lower-case ASCII, found in one pass.
struct Letters {
  bool upper = false;
  bool high = false;   // outside ASCII
  bool quote = false;  // or the bracket of an address literal

  explicit Letters(std::string_view text) {
    unsigned found = 0;
    for (const char c : text) found |= kOf[static_cast<unsigned char>(c)];
    upper = (found & 1) != 0;
    high = (found & 2) != 0;
    quote = (found & 4) != 0;
  }

 private:
  // Each comparison of a text with a rule asks: one look at a table for each octet.
  static constexpr auto kOf = [] {
    std::array<std::uint8_t, 256> of{};
    for (unsigned c = 0; c < of.size(); ++c)
      of[c] = static_cast<std::uint8_t>((c >= 'A' && c <= 'Z' ? 1 : 0) | (c >= 0x80 ? 2 : 0) |
                                        (c == '"' || c == '[' ? 4 : 0));
    return of;
  }();
};

std::string_view text_key(std::string_view text, const Letters& letters, std::string& scratch) {
  if (!letters.upper && !letters.high) return text;
  scratch = fold(text);
  return scratch;
}

std::string_view domain_key(std::string_view text, const Letters& letters, std::string& scratch) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (!letters.upper && !letters.high) return text;
  if (auto ascii = mail::to_ascii_domain(text))
    scratch = std::move(*ascii);
  else
    scratch = fold(text);
  return scratch;
}

// An address that the quick way cannot be sure of.
std::string slow_address_key(std::string_view text, bool fold_local_part) {
  if (const auto address = mail::parse_mailbox(text, mail::Utf8::Allowed)) {
    std::string key = address->key(!fold_local_part);
    return address->is_literal ? fold(key) : key;
  }
  const mail::RawParts parts = mail::split_at_last_at(text);
  std::string key = fold_local_part ? fold(parts.local_part) : std::string(parts.local_part);
  if (parts.local_part.size() == text.size()) return key;
  std::string scratch;
  return key.append("@").append(domain_key(parts.domain, Letters(parts.domain), scratch));
}

std::string_view address_key(std::string_view text, const Letters& letters, bool fold_local_part,
                             std::string& scratch) {
  if (!letters.upper && !letters.high && !letters.quote && !text.ends_with('.')) return text;
  scratch = slow_address_key(text, fold_local_part);
  return scratch;
}

}  // namespace

Matching matching_of(Kind kind) {
  switch (kind) {
    case Kind::Enum:
      return Matching::Exact;
    case Kind::Domain:
      return Matching::Domain;
    case Kind::Address:
      return Matching::Address;
    default:
      return Matching::Text;
  }
}

Matching matching_of(Kind a, Kind b) { return std::max(matching_of(a), matching_of(b)); }

std::string_view matching_key(std::string_view text, Matching matching, bool fold_local_part,
                              std::string& scratch) {
  if (matching == Matching::Exact) return text;
  const Letters letters(text);
  switch (matching) {
    case Matching::Domain:
      return domain_key(text, letters, scratch);
    case Matching::Address:
      return address_key(text, letters, fold_local_part, scratch);
    default:
      return text_key(text, letters, scratch);
  }
}

bool matches(std::string_view a, std::string_view b, Matching matching, bool fold_local_part) {
  if (a == b) return true;
  if (matching == Matching::Exact) return false;
  if (matching == Matching::Text) return equal_folded(a, b);
  std::string scratch_a, scratch_b;
  return matching_key(a, matching, fold_local_part, scratch_a) ==
         matching_key(b, matching, fold_local_part, scratch_b);
}

}  // namespace sluice::policy
