// check_spf: RFC 7208 check_host(), complete: all mechanisms, macros, redirect, exp, and the limits
// of 4.6.4 over the whole evaluation, however deep the includes: 10 terms that look something up, 2
// of them in vain, 10 MX hosts, 10 PTR names.
//
// Pure: it asks for DNS answers by name and type; where one is not there yet it ends and is called
// again later, from the start. MX hosts and PTR names are asked for side by side.
//
// Choices where the RFC leaves one: a term with several answers in vain counts once (4.6.4 speaks
// of terms); a target that is no valid name after expansion does not match, an include or redirect
// to one is a permerror.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "backends/dns_resolver.h"
#include "base/clock.h"
#include "base/ip_address.h"
#include "facts/dns_answers.h"

namespace sluice::facts {

inline constexpr int kMaxSpfTerms = 10;
inline constexpr int kMaxSpfVoidTerms = 2;
inline constexpr std::size_t kMaxSpfMxHosts = 10;   // more: permerror
inline constexpr std::size_t kMaxSpfPtrNames = 10;  // more: not looked at

enum class SpfResult : std::uint8_t { None, Neutral, Pass, Fail, SoftFail, TempError, PermError };
std::string_view spf_result_name(SpfResult result);  // "softfail"

struct SpfRequest {
  IpAddress client;
  std::string local_part;  // "postmaster" when empty
  std::string domain;      // of MAIL FROM, or the HELO name for the null sender (2.4)
  std::string helo;
  std::string receiver;  // %{r}
  TimePoint now{};       // %{t}
  bool explain = false;  // on fail, look up exp= too
};

struct SpfVerdict {
  SpfResult result = SpfResult::None;
  std::string
      explanation;      // of the domain's owner; empty without, or when it could not be had (6.2)
  std::string problem;  // of PermError and TempError: one line for people
  backends::DnsStatus failure = backends::DnsStatus::Ok;  // of TempError: what the DNS said
};

using SpfAnswers = DnsAnswers;

// nullopt: pending; ask again when more answers are there.
std::optional<SpfVerdict> check_spf(const SpfRequest& request, SpfAnswers& answers);

}  // namespace sluice::facts
