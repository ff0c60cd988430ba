#include "facts/spf_record.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace sluice::facts {

namespace {

constexpr std::string_view kVersion = "v=spf1";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_alpha(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }

bool equal_ascii(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string shown(std::string_view text) {
  std::string out = "'";
  for (const char c : text.substr(0, 60)) out += c >= ' ' && c < '\x7f' ? c : '?';
  return out + "'";
}

// --- prefix lengths ---

// Takes "/N" or "//N" from the end. False: nothing there; `length` is -1 when there is something
// that is no length.
bool take_length(std::string_view& text, std::string_view slashes, int max, int& length) {
  const std::size_t digits = text.size() - (text.find_last_not_of("0123456789") + 1);
  if (text.size() < digits + slashes.size()) return false;
  const std::size_t at = text.size() - digits - slashes.size();
  if (text.substr(at, slashes.size()) != slashes) return false;
  const std::string_view number = text.substr(text.size() - digits);
  const bool well_formed = digits >= 1 && digits <= 3 && (number.front() != '0' || digits == 1);
  length = well_formed ? std::stoi(std::string(number)) : -1;
  if (length > max) length = -1;
  text.remove_suffix(digits + slashes.size());
  return true;
}

// dual-cidr-length; false when a length is wrong.
bool take_dual_length(std::string_view& text, SpfDirective& d) {
  take_length(text, "//", 128, d.v6_length);
  if (d.v6_length >= 0) take_length(text, "/", 32, d.v4_length);
  return d.v4_length >= 0 && d.v6_length >= 0;
}

// --- what may follow each mechanism; `rest` begins behind its name ---

Result<void> parse_nothing(std::string_view rest, SpfDirective&) {
  if (!rest.empty()) return permanent("nothing may follow 'all', not " + shown(rest));
  return {};
}

Result<void> parse_domain(std::string_view rest, SpfDirective& d) {
  if (rest.size() < 2 || rest.front() != ':')
    return permanent("expected ':' and a domain, not " + shown(rest));
  Result<SpfMacroString> spec = SpfMacroString::parse_domain_spec(rest.substr(1));
  if (!spec) return tl::unexpected<Error>(spec.error());
  d.domain = std::move(*spec);
  return {};
}

Result<void> parse_optional_domain(std::string_view rest, SpfDirective& d) {
  if (rest.empty()) return {};
  return parse_domain(rest, d);
}

Result<void> parse_domain_and_lengths(std::string_view rest, SpfDirective& d) {
  const std::string_view whole = rest;
  if (!take_dual_length(rest, d)) return permanent("not a prefix length in " + shown(whole));
  return parse_optional_domain(rest, d);
}

Result<void> parse_network(std::string_view rest, SpfDirective& d, bool v4) {
  const std::string_view whole = rest;
  int& length = v4 ? d.v4_length : d.v6_length;
  take_length(rest, "/", v4 ? 32 : 128, length);
  if (length < 0) return permanent("not a prefix length in " + shown(whole));
  if (rest.size() < 2 || rest.front() != ':')
    return permanent("expected ':' and an address, not " + shown(whole));
  rest.remove_prefix(1);
  const std::optional<IpAddress> address = IpAddress::parse(rest);
  if (!address || (rest.find(':') == std::string_view::npos) != v4) {
    return permanent(shown(rest) + " is no IPv" + (v4 ? "4" : "6") + " address");
  }
  d.network = *address;
  return {};
}
Result<void> parse_ip4(std::string_view rest, SpfDirective& d) {
  return parse_network(rest, d, true);
}
Result<void> parse_ip6(std::string_view rest, SpfDirective& d) {
  return parse_network(rest, d, false);
}

struct MechanismForm {
  std::string_view name;
  SpfMechanism mechanism;
  Result<void> (*parse)(std::string_view rest, SpfDirective& d);
};
constexpr std::array<MechanismForm, 8> kMechanisms{
    {{"all", SpfMechanism::All, parse_nothing},
     {"include", SpfMechanism::Include, parse_domain},
     {"a", SpfMechanism::A, parse_domain_and_lengths},
     {"mx", SpfMechanism::Mx, parse_domain_and_lengths},
     {"ptr", SpfMechanism::Ptr, parse_optional_domain},
     {"ip4", SpfMechanism::Ip4, parse_ip4},
     {"ip6", SpfMechanism::Ip6, parse_ip6},
     {"exists", SpfMechanism::Exists, parse_domain}}};

constexpr std::array<std::pair<char, SpfQualifier>, 4> kQualifiers{{{'+', SpfQualifier::Pass},
                                                                    {'-', SpfQualifier::Fail},
                                                                    {'~', SpfQualifier::SoftFail},
                                                                    {'?', SpfQualifier::Neutral}}};

Result<void> parse_directive(std::string_view term, SpfRecord& record) {
  SpfDirective d;
  std::string_view rest = term;
  for (const auto& [sign, qualifier] : kQualifiers) {
    if (rest.front() != sign) continue;
    d.qualifier = qualifier;
    rest.remove_prefix(1);
    break;
  }
  const std::string_view name = rest.substr(0, rest.find_first_of(":/"));
  const auto* const form =
      std::find_if(kMechanisms.begin(), kMechanisms.end(),
                   [&](const MechanismForm& f) { return equal_ascii(f.name, name); });
  if (form == kMechanisms.end()) return permanent("unknown mechanism " + shown(term));
  d.mechanism = form->mechanism;
  Result<void> parsed = form->parse(rest.substr(name.size()), d);
  if (parsed) record.directives.push_back(std::move(d));
  return parsed;
}

// --- modifiers ---

bool is_modifier_name(std::string_view name) {
  return !name.empty() && is_alpha(name.front()) &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return is_alpha(c) || is_digit(c) || c == '-' || c == '_' || c == '.';
         });
}

Result<void> parse_modifier(std::string_view name, std::string_view value, SpfRecord& record) {
  std::optional<SpfMacroString>* const known = equal_ascii(name, "redirect") ? &record.redirect
                                               : equal_ascii(name, "exp")    ? &record.explanation
                                                                             : nullptr;
  if (known == nullptr) {
    const Result<SpfMacroString> ignored = SpfMacroString::parse_any(value);
    if (!ignored) return tl::unexpected<Error>(ignored.error());
    return {};
  }
  if (*known) return permanent(std::string(name) + "= stands twice");
  Result<SpfMacroString> spec = SpfMacroString::parse_domain_spec(value);
  if (!spec) return tl::unexpected<Error>(spec.error());
  *known = std::move(*spec);
  return {};
}

Result<void> parse_term(std::string_view term, SpfRecord& record) {
  const std::size_t sign = term.find_first_of(":/=");
  if (sign != std::string_view::npos && term[sign] == '=' &&
      is_modifier_name(term.substr(0, sign))) {
    return parse_modifier(term.substr(0, sign), term.substr(sign + 1), record);
  }
  return parse_directive(term, record);
}

}  // namespace

bool is_spf_record(std::string_view text) {
  return equal_ascii(text.substr(0, kVersion.size()), kVersion) &&
         (text.size() == kVersion.size() || text[kVersion.size()] == ' ');
}

Result<SpfRecord> parse_spf_record(std::string_view text) {
  if (text.size() > kMaxSpfRecord) return permanent("the record is longer than 16384 bytes");
  SpfRecord record;
  for (const std::string_view term : split(text.substr(kVersion.size()), ' ')) {
    if (term.empty()) continue;
    const Result<void> parsed = parse_term(term, record);
    if (!parsed) return tl::unexpected<Error>(parsed.error());
  }
  return record;
}

}  // namespace sluice::facts
