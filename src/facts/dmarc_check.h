// check_dmarc: RFC 9989 4.10 to 5.3, from the identifiers that SPF and DKIM have authenticated to
// the result and the policy that the author's domain asks for.
//
// Pure, as check_spf() is.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "facts/dmarc_record.h"
#include "facts/dns_answers.h"
#include "facts/organizational_domain.h"

namespace sluice::facts {

enum class DmarcResult : std::uint8_t { None, Pass, Fail, PermError, TempError };
std::string_view dmarc_result_name(DmarcResult result);

// Domains in lower-case A-labels.
struct DmarcRequest {
  std::string author_domain;                                     // of From
  std::vector<std::string> spf, dkim;                            // authenticated
  std::vector<std::string> spf_undecided, dkim_undecided;        // the DNS failed, so nobody knows
  backends::DnsStatus undecided = backends::DnsStatus::Timeout;  // what it said then
  OrganizationalDomain by = OrganizationalDomain::TreeWalk;
};

struct DmarcVerdict {
  DmarcResult result = DmarcResult::None;
  std::optional<DmarcPolicy>
      policy;  // what the domain asks for, t=y regarded; empty without a record
  std::optional<backends::DnsStatus> policy_failure;  // whether np= counts could not be found out
  backends::DnsStatus failure = backends::DnsStatus::Ok;  // of TempError: what the DNS said
};

// nullopt: pending.
std::optional<DmarcVerdict> check_dmarc(const DmarcRequest& request, DnsAnswers& answers);

}  // namespace sluice::facts
