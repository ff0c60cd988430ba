// A DMARC policy record (RFC 9989 4.7, 4.8): the TXT record at _dmarc.DOMAIN. Text in, plain values
// out. Errors behind v= do not break a record: a tag with a bad value counts as left out.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::facts {

inline constexpr std::size_t kMaxDmarcRecord = 16 * 1024;  // bytes looked at

enum class DmarcPolicy : std::uint8_t { None, Quarantine, Reject };
std::string_view dmarc_policy_name(DmarcPolicy policy);

enum class PublicSuffixFlag : std::uint8_t { Unknown, Yes, No };  // psd=u, y, n

struct DmarcRecord {
  // Without a valid p=, or with a broken sp= or np=, the record has no policy; if it has an address
  // for reports the policy is none (4.10.1).
  std::optional<DmarcPolicy> policy;
  std::optional<DmarcPolicy> of_subdomains;      // sp=
  std::optional<DmarcPolicy> of_nonexistent;     // np=
  bool strict_dkim = false, strict_spf = false;  // adkim=s, aspf=s
  bool is_test = false;                          // t=y: one level below the policy
  PublicSuffixFlag psd = PublicSuffixFlag::Unknown;
};

// nullopt: the text does not begin with v=DMARC1, so it is another kind of record.
std::optional<DmarcRecord> parse_dmarc_record(std::string_view text);

}  // namespace sluice::facts
