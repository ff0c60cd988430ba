#include "facts/spf_macro.h"

#include <algorithm>
#include <array>

namespace sluice::facts {

namespace {

constexpr std::size_t kMaxExpandedDomain = 253;
constexpr std::size_t kMaxLabelCount = 128;  // more labels than a name can have
constexpr std::string_view kDelimiters = ".-+,/_=";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_alpha(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
bool is_alnum(char c) { return is_alpha(c) || is_digit(c); }

// --- the letters (RFC 7208 7.2) ---

std::string sender(const SpfMacroValues& v) { return v.local_part + "@" + v.sender_domain; }
std::string seconds(const SpfMacroValues& v) {
  return std::to_string(
      std::chrono::duration_cast<std::chrono::seconds>(v.now.time_since_epoch()).count());
}
// Dotted quad, or 32 dotted nibbles; capitals because the test suite of the RFC compares explanations so.
std::string dotted_client(const SpfMacroValues& v) {
  if (v.client.is_v4()) return v.client.to_string();
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const std::uint8_t byte : v.client.bytes()) {
    if (!out.empty()) out += '.';
    out += kHex[byte >> 4];
    out += '.';
    out += kHex[byte & 0xf];
  }
  return out;
}

struct Letter {
  char letter;
  bool explanations_only;
  std::string (*value)(const SpfMacroValues&);
};
constexpr std::array<Letter, 11> kLetters{{
    {'s', false, sender},
    {'l', false, [](const SpfMacroValues& v) { return v.local_part; }},
    {'o', false, [](const SpfMacroValues& v) { return v.sender_domain; }},
    {'d', false, [](const SpfMacroValues& v) { return v.domain; }},
    {'i', false, dotted_client},
    {'p', false, [](const SpfMacroValues& v) { return v.validated_name; }},
    {'v', false,
     [](const SpfMacroValues& v) { return std::string(v.client.is_v4() ? "in-addr" : "ip6"); }},
    {'h', false, [](const SpfMacroValues& v) { return v.helo; }},
    {'c', true, [](const SpfMacroValues& v) { return v.client.to_string(); }},
    {'r', true, [](const SpfMacroValues& v) { return v.receiver; }},
    {'t', true, seconds},
}};

const Letter* find_letter(char letter) {
  const auto* const at = std::find_if(kLetters.begin(), kLetters.end(),
                                      [&](const Letter& l) { return l.letter == letter; });
  return at == kLetters.end() ? nullptr : at;
}

// RFC 3986: all but the unreserved characters as %XX.
std::string url_escape(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 0xf];
    }
  }
  return out;
}

std::vector<std::string_view> split_at_any(std::string_view text, std::string_view delimiters) {
  std::vector<std::string_view> pieces;
  for (;;) {
    const std::size_t at = text.find_first_of(delimiters);
    pieces.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return pieces;
    text.remove_prefix(at + 1);
  }
}

// --- syntax ---

// toplabel: letters and digits with at least one letter, or with inner hyphens.
bool is_top_label(std::string_view label) {
  if (label.empty() || !is_alnum(label.front()) || !is_alnum(label.back())) return false;
  const bool only_known =
      std::all_of(label.begin(), label.end(), [](char c) { return is_alnum(c) || c == '-'; });
  return only_known && !std::all_of(label.begin(), label.end(), is_digit);
}

// `after_macro`: where the last macro ended.
bool is_domain_end(std::string_view text, std::size_t after_macro) {
  if (after_macro == text.size() && after_macro != 0) return true;
  std::string_view tail = text.substr(after_macro);
  if (!tail.empty() && tail.back() == '.') tail.remove_suffix(1);
  const std::size_t dot = tail.rfind('.');
  return dot != std::string_view::npos && is_top_label(tail.substr(dot + 1));
}

std::string shown(std::string_view text) {
  std::string out = "'";
  for (const char c : text.substr(0, 60)) out += c >= ' ' && c < '\x7f' ? c : '?';
  return out + "'";
}

}  // namespace

Result<SpfMacroString::Part> SpfMacroString::parse_macro(std::string_view inside, Form form) {
  if (inside.empty()) return permanent("%{} names no letter");
  Part part;
  part.letter = lower(inside.front());
  part.url_escaped = inside.front() != part.letter;
  const Letter* const letter = find_letter(part.letter);
  if (letter == nullptr) return permanent("unknown macro letter in %{" + shown(inside) + "}");
  if (letter->explanations_only && form == Form::DomainSpec) {
    return permanent(std::string("%{") + part.letter + "} is for explanations only");
  }
  inside.remove_prefix(1);
  bool has_digits = false;
  while (!inside.empty() && is_digit(inside.front())) {
    part.labels =
        std::min(part.labels * 10 + static_cast<std::size_t>(inside.front() - '0'), kMaxLabelCount);
    has_digits = true;
    inside.remove_prefix(1);
  }
  if (has_digits && part.labels == 0) return permanent("a macro may not keep 0 labels");
  if (!inside.empty() && lower(inside.front()) == 'r') {
    part.reversed = true;
    inside.remove_prefix(1);
  }
  if (inside.find_first_not_of(kDelimiters) != std::string_view::npos) {
    return permanent("unknown delimiter in a macro: " + shown(inside));
  }
  part.delimiters = inside.empty() ? "." : std::string(inside);
  return part;
}

Result<SpfMacroString> SpfMacroString::parse(std::string_view text, Form form) {
  SpfMacroString result;
  Part literal;
  std::size_t after_macro = 0;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c != '%') {
      if (!(c > ' ' && c < '\x7f') && !(c == ' ' && form == Form::Explanation)) {
        return permanent("a byte that may not stand in " + shown(text));
      }
      literal.literal += c;
      ++at;
      continue;
    }
    const char kind = at + 1 < text.size() ? text[at + 1] : '\0';
    if (kind == '%' || kind == '_' || kind == '-') {
      literal.literal += kind == '%' ? "%" : kind == '_' ? " " : "%20";
      at += 2;
    } else if (kind == '{') {
      const std::size_t end = text.find('}', at);
      if (end == std::string_view::npos) return permanent("%{ without }");
      Result<Part> macro = parse_macro(text.substr(at + 2, end - at - 2), form);
      if (!macro) return tl::unexpected<Error>(macro.error());
      if (!literal.literal.empty()) result.parts_.push_back(std::exchange(literal, Part{}));
      result.parts_.push_back(std::move(*macro));
      at = end + 1;
    } else {
      return permanent("% must begin a macro in " + shown(text));
    }
    after_macro = at;
  }
  if (!literal.literal.empty()) result.parts_.push_back(std::move(literal));
  if (form == Form::DomainSpec && !is_domain_end(text, after_macro)) {
    return permanent(shown(text) + " is no domain");
  }
  return result;
}

Result<SpfMacroString> SpfMacroString::parse_domain_spec(std::string_view text) {
  return parse(text, Form::DomainSpec);
}
Result<SpfMacroString> SpfMacroString::parse_explanation(std::string_view text) {
  return parse(text, Form::Explanation);
}
Result<SpfMacroString> SpfMacroString::parse_any(std::string_view text) {
  return parse(text, Form::Any);
}

bool SpfMacroString::uses_validated_name() const {
  return std::any_of(parts_.begin(), parts_.end(), [](const Part& p) { return p.letter == 'p'; });
}

std::string SpfMacroString::expand(const Part& part, const SpfMacroValues& values) {
  if (part.letter == 0) return part.literal;
  const std::string value = find_letter(part.letter)->value(values);
  std::vector<std::string_view> pieces = split_at_any(value, part.delimiters);
  if (part.reversed) std::reverse(pieces.begin(), pieces.end());
  const std::size_t first =
      part.labels == 0 || part.labels >= pieces.size() ? 0 : pieces.size() - part.labels;
  std::string out;
  for (std::size_t i = first; i < pieces.size(); ++i) {
    if (i != first) out += '.';
    out += pieces[i];
  }
  return part.url_escaped ? url_escape(out) : out;
}

std::string SpfMacroString::expand_domain(const SpfMacroValues& values) const {
  std::string out;
  for (const Part& part : parts_) {
    out += expand(part, values);
    // Only the end counts; a record of many macros shall not make megabytes.
    if (out.size() > 8 * kMaxExpandedDomain) out.erase(0, out.size() - 2 * kMaxExpandedDomain);
  }
  if (!out.empty() && out.back() == '.') out.pop_back();
  while (out.size() > kMaxExpandedDomain && out.find('.') != std::string::npos) {
    out.erase(0, out.find('.') + 1);
  }
  return out;
}

std::string SpfMacroString::expand_text(const SpfMacroValues& values) const {
  std::string out;
  for (const Part& part : parts_) {
    out += expand(part, values);
    if (out.size() > kMaxSpfExplanation) break;
  }
  out.resize(std::min(out.size(), kMaxSpfExplanation));
  return out;
}

}  // namespace sluice::facts
