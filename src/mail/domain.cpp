#include "mail/domain.h"

#include <idn2.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/ip_address.h"
#include "base/text.h"
#include "base/utf8.h"

namespace sluice::mail {
namespace {

// What libidn2 is asked at most to convert: no U-label needs more octets than this for an A-label
// of 63.
constexpr std::size_t kMaxUnicodeLabel = 4 * kMaxLabel;
constexpr std::size_t kMaxUnicodeDomain = 4 * kMaxDomain;

// UTS-46 takes these for a dot: ideographic, fullwidth and halfwidth full stop.
constexpr std::array<std::string_view, 3> kOtherDots{"\u3002", "\uFF0E", "\uFF61"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter_or_digit(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= kMaxLabel && label.front() != '-' &&
         label.back() != '-' && std::all_of(label.begin(), label.end(), [](char c) {
           return is_letter_or_digit(c) || c == '-';
         });
}

bool is_ascii_domain(std::string_view text) {
  if (text.empty() || text.size() > kMaxDomain) return false;
  for (;;) {
    const std::size_t dot = text.find('.');
    if (!is_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

// UTS-46 of libidn2, without its STD3 rules: those drop characters instead of refusing them.
std::optional<std::string> to_a_label(std::string_view label) {
  if (label.size() > kMaxUnicodeLabel || label.find('\0') != std::string_view::npos)
    return std::nullopt;
  const std::string terminated(label);
  char* found = nullptr;
  const int status =
      idn2_to_ascii_8z(terminated.c_str(), &found, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
  const std::unique_ptr<char, void (*)(void*)> owner(found, idn2_free);
  if (status != IDN2_OK || !owner) return std::nullopt;
  return std::string(owner.get());
}

std::string with_plain_dots(std::string_view text) {
  std::string plain(text);
  for (const std::string_view dot : kOtherDots) {
    for (std::size_t at = 0; (at = plain.find(dot, at)) != std::string::npos;)
      plain.replace(at, dot.size(), ".");
  }
  return plain;
}

// Label by label: libidn2 would refuse "r3---sn.bücher" for the hyphens of its other label.
std::optional<std::string> to_a_labels(std::string_view text) {
  std::string name;
  for (const std::string_view label : split(text, '.')) {
    const auto converted = is_ascii(label) ? std::optional(fold(label)) : to_a_label(label);
    // UTS-46 maps some characters to ASCII that no label has, as U+2100 to "a/c".
    if (!converted || !is_label(*converted)) return std::nullopt;
    if (!name.empty()) name += '.';
    name += *converted;
  }
  return name.size() <= kMaxDomain ? std::optional(name) : std::nullopt;
}

// Snum (RFC 5321 4.1.3): one to three digits, decimal also with zeros in front, which no reader of
// addresses takes: "192.000.002.001" becomes "192.0.2.1". nullopt: not four of them.
std::optional<std::string> plain_octets(std::string_view text) {
  const auto octets = split(text, '.');
  if (octets.size() != 4) return std::nullopt;
  std::string plain;
  for (std::string_view octet : octets) {
    if (octet.empty() || octet.size() > 3 || !std::all_of(octet.begin(), octet.end(), is_digit))
      return std::nullopt;
    while (octet.size() > 1 && octet.front() == '0') octet.remove_prefix(1);
    if (!plain.empty()) plain += '.';
    plain += octet;
  }
  return plain;
}

// IPv6-comp and IPv6v4-comp: "::" stands for two groups at least, where other notations allow one.
bool is_compressed_enough(std::string_view text) {
  if (text.find("::") == std::string_view::npos) return true;
  const auto groups = split(text, ':');
  const auto written = std::count_if(groups.begin(), groups.end(),
                                     [](std::string_view group) { return !group.empty(); });
  const bool ends_in_v4 = groups.back().find('.') != std::string_view::npos;
  return written + (ends_in_v4 ? 1 : 0) <= 6;
}

// What stands in an IPv6 literal, its IPv4 part without zeros in front.
std::optional<std::string> plain_v6(std::string_view text) {
  if (!is_compressed_enough(text)) return std::nullopt;
  const std::size_t tail = text.rfind(':') + 1;
  if (text.find('.', tail) == std::string_view::npos) return std::string(text);
  const auto octets = plain_octets(text.substr(tail));
  return octets ? std::optional(std::string(text.substr(0, tail)) + *octets) : std::nullopt;
}

std::string_view without_final_dot(std::string_view text) {
  if (!text.empty() && text.back() == '.') text.remove_suffix(1);
  return text;
}

}  // namespace

std::optional<std::string> to_ascii_domain(std::string_view text) {
  if (is_ascii(text)) {
    const std::string_view name = without_final_dot(text);
    return is_ascii_domain(name) ? std::optional(fold(name)) : std::nullopt;
  }
  if (text.size() > kMaxUnicodeDomain || !is_utf8(text)) return std::nullopt;
  return to_a_labels(without_final_dot(with_plain_dots(text)));
}

bool has_final_dot(std::string_view text) {
  return text.ends_with('.') ||
         std::any_of(kOtherDots.begin(), kOtherDots.end(),
                     [text](std::string_view dot) { return text.ends_with(dot); });
}

bool is_under(std::string_view domain, std::string_view parent) {
  if (parent.empty() || domain.size() < parent.size()) return false;
  const std::size_t start = domain.size() - parent.size();
  return domain.substr(start) == parent && (start == 0 || domain[start - 1] == '.');
}

std::optional<std::string> to_address_literal(std::string_view text) {
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') return std::nullopt;
  text = text.substr(1, text.size() - 2);
  constexpr std::string_view tag = "IPv6:";
  const bool tagged = text.size() >= tag.size() && equal_folded(text.substr(0, tag.size()), tag);
  if (tagged) text.remove_prefix(tag.size());
  const bool has_colon = text.find(':') != std::string_view::npos;
  if (tagged != has_colon) return std::nullopt;
  const auto plain = tagged ? plain_v6(text) : plain_octets(text);
  const auto address = plain ? IpAddress::parse(*plain) : std::nullopt;
  if (!address) return std::nullopt;
  return '[' + std::string(address->is_v4() ? "" : tag) + address->to_string() + ']';
}

bool is_valid_helo(std::string_view argument) {
  return is_ascii_domain(argument) || to_address_literal(argument).has_value();
}

bool is_fully_qualified(std::string_view name) {
  const auto ascii = to_ascii_domain(name);
  if (!ascii) return false;
  const std::size_t dot = ascii->rfind('.');
  return dot != std::string::npos &&
         !std::all_of(ascii->begin() + static_cast<std::ptrdiff_t>(dot) + 1, ascii->end(),
                      is_digit);
}

}  // namespace sluice::mail
