// A second opinion on mail addresses: the ABNF of RFC 5321 4.1.2 and 4.1.3 with RFC 6531 3.3, rule
// by rule, each rule giving every place at which it may end. Slow, and written without a look at
// the real parser; only the conversion of one U-label is left to libidn2.
#pragma once
#include <idn2.h>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"

namespace sluice::fuzz {

using Ends = std::set<std::size_t>;
using Rule = std::function<Ends(std::string_view text, std::size_t start)>;

inline Rule one(std::function<bool(unsigned char)> accepts) {
  return [accepts](std::string_view text, std::size_t start) {
    const bool ok = start < text.size() && accepts(static_cast<unsigned char>(text[start]));
    return ok ? Ends{start + 1} : Ends{};
  };
}
inline Rule literally(char c) {
  return one([c](unsigned char x) { return x == static_cast<unsigned char>(c); });
}
inline Rule either(std::vector<Rule> rules) {
  return [rules](std::string_view text, std::size_t start) {
    Ends all;
    for (const Rule& rule : rules) all.merge(rule(text, start));
    return all;
  };
}
inline Rule sequence(std::vector<Rule> rules) {
  return [rules](std::string_view text, std::size_t start) {
    Ends here{start};
    for (const Rule& rule : rules) {
      Ends next;
      for (const std::size_t end : here) next.merge(rule(text, end));
      here = next;
    }
    return here;
  };
}
inline Rule repeated(Rule rule, std::size_t least) {
  return [rule, least](std::string_view text, std::size_t start) {
    Ends reached;
    Ends here{start};
    for (std::size_t round = 0; !here.empty(); ++round) {
      if (round >= least) reached.insert(here.begin(), here.end());
      Ends next;
      for (const std::size_t end : here) next.merge(rule(text, end));
      for (const std::size_t end : reached) next.erase(end);
      here = next;
    }
    return reached;
  };
}

struct MailboxGrammar {
  explicit MailboxGrammar(bool with_utf8) {
    const Rule letter =
        one([](unsigned char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); });
    const Rule digit = one([](unsigned char c) { return c >= '0' && c <= '9'; });
    const Rule mark = one([](unsigned char c) {
      return std::string("!#$%&'*+-/=?^_`{|}~").find(static_cast<char>(c)) != std::string::npos;
    });
    const Rule non_ascii = [with_utf8](std::string_view text, std::size_t start) {
      const CodePoint point = decode_utf8(text, start);
      return with_utf8 && point.length > 1 ? Ends{start + point.length} : Ends{};
    };
    const Rule atom = repeated(either({letter, digit, mark, non_ascii}), 1);
    const Rule dot_string = sequence({atom, repeated(sequence({literally('.'), atom}), 0)});
    const Rule qtext =
        either({one([](unsigned char c) {
                  return (c >= 32 && c <= 33) || (c >= 35 && c <= 91) || (c >= 93 && c <= 126);
                }),
                non_ascii});
    const Rule quoted_pair =
        sequence({literally('\\'), one([](unsigned char c) { return c >= 32 && c <= 126; })});
    const Rule quoted_string =
        sequence({literally('"'), repeated(either({qtext, quoted_pair}), 0), literally('"')});
    local_part = either({dot_string, quoted_string});
    const Rule let_dig = either({letter, digit});
    const Rule sub_domain = sequence(
        {let_dig,
         either({sequence({}),
                 sequence({repeated(either({letter, digit, literally('-')}), 0), let_dig})})});
    domain = sequence({sub_domain, repeated(sequence({literally('.'), sub_domain}), 0)});
  }
  Rule local_part;
  Rule domain;
};

// Address literals (RFC 5321 4.1.3) and addresses as the C library reads them differ in two points.
struct AddressNotation {
  bool zeros_in_front;  // of decimal octets
  int most_with_gap;    // groups that may stand beside "::"
};
inline constexpr AddressNotation kLiteralNotation{true, 6};
inline constexpr AddressNotation kPlainNotation{false, 7};

inline bool naive_v4(std::string_view text, AddressNotation notation) {
  int dots = 0;
  std::string number;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] >= '0' && text[i] <= '9') {
      number += text[i];
      continue;
    }
    if (i < text.size() && text[i] != '.') return false;
    if (i < text.size()) ++dots;
    if (number.empty() || number.size() > 3 || std::stoi(number) > 255) return false;
    if (!notation.zeros_in_front && number.size() > 1 && number[0] == '0') return false;
    number.clear();
  }
  return dots == 3;
}

// How many 16-bit groups "a:b:1.2.3.4" holds; nullopt: no such list. IPv4 may only stand at the
// very end of the address.
inline std::optional<int> naive_groups(std::string_view text, bool at_end,
                                       AddressNotation notation) {
  if (text.empty()) return 0;
  int groups = 0;
  std::string group;
  std::vector<std::string> list;
  for (const char c : text) {
    if (c == ':') {
      list.push_back(group);
      group.clear();
    } else {
      group += c;
    }
  }
  list.push_back(group);
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (at_end && i + 1 == list.size() && naive_v4(list[i], notation)) {
      groups += 2;
      continue;
    }
    if (list[i].empty() || list[i].size() > 4 ||
        list[i].find_first_not_of("0123456789abcdefABCDEF") != std::string::npos)
      return std::nullopt;
    ++groups;
  }
  return groups;
}

inline bool naive_v6(std::string_view text, AddressNotation notation) {
  const std::size_t gap = text.find("::");
  if (gap == std::string_view::npos) return naive_groups(text, true, notation) == 8;
  const auto before = naive_groups(text.substr(0, gap), false, notation);
  const auto after = naive_groups(text.substr(gap + 2), true, notation);
  return before && after && *before + *after <= notation.most_with_gap;
}

inline bool naive_literal(std::string_view text) {
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') return false;
  const std::string inner(text.substr(1, text.size() - 2));
  std::string tag = inner.substr(0, 5);
  std::transform(tag.begin(), tag.end(), tag.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (tag == "ipv6:")
    return inner.find(':', 5) != std::string::npos &&
           naive_v6(std::string_view(inner).substr(5), kLiteralNotation);
  return naive_v4(inner, kLiteralNotation);
}

inline bool naive_ascii_domain(std::string_view text) {
  static const MailboxGrammar grammar(false);
  if (text.size() > 255 || grammar.domain(text, 0).count(text.size()) == 0) return false;
  std::size_t length = 0;
  for (const char c : text) {
    length = c == '.' ? 0 : length + 1;
    if (length > 63) return false;
  }
  return true;
}

// U-label (RFC 6531 3.3): what the library makes an A-label of, asked for this label alone.
inline std::string naive_a_label(const std::string& label) {
  if (label.size() > 1000 || label.find('\0') != std::string::npos) return "";
  char* found = nullptr;
  const int status = idn2_to_ascii_8z(label.c_str(), &found, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
  const std::string made = status == IDN2_OK ? found : "";
  idn2_free(found);
  return made;
}

// The dots of UTS-46 separate labels like the plain one; none may stand last.
inline bool naive_unicode_domain(std::string text) {
  for (const std::string dot : {"\u3002", "\uFF0E", "\uFF61"}) {
    std::string replaced;
    for (std::size_t i = 0; i < text.size();) {
      const bool here = text.compare(i, dot.size(), dot) == 0;
      replaced += here ? "." : text.substr(i, 1);
      i += here ? dot.size() : 1;
    }
    text = replaced;
  }
  std::string ascii, label;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] != '.') {
      label += text[i];
      continue;
    }
    const std::string part = is_ascii(label) ? label : naive_a_label(label);
    if (part.find('.') != std::string::npos || part.empty()) return false;
    ascii += (ascii.empty() ? "" : ".") + part;
    label.clear();
  }
  return naive_ascii_domain(ascii);
}

inline bool naive_domain(std::string_view text, bool with_utf8) {
  if (is_ascii(text)) return naive_ascii_domain(text) || naive_literal(text);
  return with_utf8 && naive_unicode_domain(std::string(text));
}

// Mailbox = Local-part "@" ( Domain / address-literal ), within the sizes of 4.5.3.1.
inline bool naive_is_mailbox(std::string_view text, bool with_utf8) {
  static const std::array<MailboxGrammar, 2> grammars{MailboxGrammar(false), MailboxGrammar(true)};
  if (text.size() > 254 || !is_utf8(text)) return false;
  for (const std::size_t end : grammars[with_utf8 ? 1 : 0].local_part(text, 0)) {
    const bool short_enough = end > 0 && end <= 64;
    if (short_enough && end + 1 < text.size() && text[end] == '@' &&
        naive_domain(text.substr(end + 1), with_utf8))
      return true;
  }
  return false;
}

}  // namespace sluice::fuzz
