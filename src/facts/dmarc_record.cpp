#include "facts/dmarc_record.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "facts/tag_list.h"

namespace sluice::facts {

namespace {

constexpr std::array<std::string_view, 3> kPolicyNames{"none", "quarantine", "reject"};

std::optional<DmarcPolicy> policy_of(std::string_view word) {
  for (std::size_t i = 0; i < kPolicyNames.size(); ++i)
    if (equal_folded(word, kPolicyNames[i])) return static_cast<DmarcPolicy>(i);
  return std::nullopt;
}

// Scheme, colon and something behind it (RFC 3986 3).
bool is_uri(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) return false;
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const std::string_view scheme = text.substr(0, colon);
  return is_letter(scheme.front()) &&
         std::all_of(scheme.begin(), scheme.end(),
                     [&](char c) {
                       return is_letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' ||
                              c == '.';
                     }) &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

bool has_uri(std::string_view list) {
  const auto uris = split(list, ',');
  return std::any_of(uris.begin(), uris.end(), [](auto uri) { return is_uri(trim(uri)); });
}

// The tags as found, before they are judged together.
struct Reading {
  DmarcRecord record;
  bool has_broken_policy = false, has_report_address = false;
};

using Read = void (*)(std::string_view value, Reading& reading);

template <std::optional<DmarcPolicy> DmarcRecord::*Field>
void read_policy(std::string_view value, Reading& reading) {
  reading.record.*Field = policy_of(value);
  if (!(reading.record.*Field)) reading.has_broken_policy = true;
}
void read_dkim_mode(std::string_view value, Reading& reading) {
  reading.record.strict_dkim = equal_folded(value, "s");
}
void read_spf_mode(std::string_view value, Reading& reading) {
  reading.record.strict_spf = equal_folded(value, "s");
}
void read_test(std::string_view value, Reading& reading) {
  reading.record.is_test = equal_folded(value, "y");
}
void read_psd(std::string_view value, Reading& reading) {
  if (equal_folded(value, "y")) reading.record.psd = PublicSuffixFlag::Yes;
  if (equal_folded(value, "n")) reading.record.psd = PublicSuffixFlag::No;
}
void read_reports(std::string_view value, Reading& reading) {
  reading.has_report_address = has_uri(value);
}

struct TagRule {
  std::string_view tag;
  Read read;
};
constexpr TagRule kRules[] = {
    {"p", read_policy<&DmarcRecord::policy>},
    {"sp", read_policy<&DmarcRecord::of_subdomains>},
    {"np", read_policy<&DmarcRecord::of_nonexistent>},
    {"adkim", read_dkim_mode},
    {"aspf", read_spf_mode},
    {"t", read_test},
    {"psd", read_psd},
    {"rua", read_reports},
};

struct Tag {
  std::string_view name, value;
};

std::optional<Tag> tag_of(std::string_view spec) {
  const std::size_t equals = spec.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  return Tag{trim(spec.substr(0, equals)), trim(spec.substr(equals + 1))};
}

}  // namespace

std::string_view dmarc_policy_name(DmarcPolicy policy) {
  return kPolicyNames[static_cast<std::size_t>(policy)];
}

std::optional<DmarcRecord> parse_dmarc_record(std::string_view text) {
  const auto specs = split(text.substr(0, kMaxDmarcRecord), ';');
  const auto version = tag_of(specs.front());
  if (!version || !equal_folded(version->name, "v") || version->value != "DMARC1")
    return std::nullopt;
  Reading reading;
  std::array<bool, std::size(kRules)> seen{};  // of a tag that stands twice the first counts
  for (const std::string_view spec : specs) {
    const auto tag = tag_of(spec);
    for (std::size_t i = 0; tag && i < std::size(kRules); ++i) {
      if (!equal_folded(tag->name, kRules[i].tag) || std::exchange(seen[i], true)) continue;
      kRules[i].read(tag->value, reading);
    }
  }
  DmarcRecord& record = reading.record;
  if (!record.policy || reading.has_broken_policy) {
    record.policy.reset();
    record.of_subdomains = record.of_nonexistent = std::nullopt;
    if (reading.has_report_address) record.policy = DmarcPolicy::None;
  }
  return record;
}

}  // namespace sluice::facts
