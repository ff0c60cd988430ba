// An SPF record as it was published: RFC 7208 4.6, 5, 6 and the grammar of 12. Text in, tree out;
// nothing is looked up.
//
// Any error anywhere makes the whole record an error (4.6: permerror without further
// interpretation). A record longer than kMaxSpfRecord bytes is one.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"
#include "facts/spf_macro.h"

namespace sluice::facts {

inline constexpr std::size_t kMaxSpfRecord = 16384;

enum class SpfQualifier : std::uint8_t { Pass, Fail, SoftFail, Neutral };
enum class SpfMechanism : std::uint8_t { All, Include, A, Mx, Ptr, Ip4, Ip6, Exists };

struct SpfDirective {
  SpfQualifier qualifier = SpfQualifier::Pass;
  SpfMechanism mechanism = SpfMechanism::All;
  std::optional<SpfMacroString> domain;  // none: the domain of the record (a, mx, ptr)
  IpAddress network;                     // ip4, ip6
  int v4_length = 32;                    // a, mx, ip4
  int v6_length = 128;                   // a, mx, ip6
};

struct SpfRecord {
  std::vector<SpfDirective> directives;
  std::optional<SpfMacroString> redirect;
  std::optional<SpfMacroString> explanation;  // exp=
};

// The TXT record begins with "v=spf1", alone or before a blank.
bool is_spf_record(std::string_view text);
// text: of which is_spf_record() holds. Error{Permanent}: what is wrong, for people.
Result<SpfRecord> parse_spf_record(std::string_view text);

}  // namespace sluice::facts
