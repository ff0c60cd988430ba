// DnsResolver: asynchronous look-ups; NXDOMAIN, no data, SERVFAIL and timeout stay different things up to the rule.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"

namespace sluice::backends {

inline constexpr std::size_t kMaxDnsRecords = 200;    // of one answer; the rest is left out
inline constexpr std::size_t kMaxTxtBytes = 65535;    // of one TXT record, strings joined

enum class DnsType : std::uint16_t { A = 1, Ns = 2, Cname = 5, Ptr = 12, Mx = 15, Txt = 16, Aaaa = 28 };
std::string_view dns_type_name(DnsType type);
std::optional<DnsType> parse_dns_type(std::string_view name);  // "MX"; upper case only

enum class DnsStatus : std::uint8_t {
  Ok,        // records of the type asked for
  NoData,    // the name exists, not with that type
  NxDomain,
  ServFail,  // SERVFAIL, REFUSED, FORMERR, a garbled answer
  Timeout,
  Budget,    // our own limit of look-ups for this message
  Breaker,   // nobody was asked: what would answer cannot be believed or does not answer (dns_lists.h)
};
inline bool is_answer(DnsStatus s) { return s == DnsStatus::Ok || s == DnsStatus::NoData || s == DnsStatus::NxDomain; }

struct DnsRecord {
  IpAddress address;          // A, AAAA
  std::string text;           // Mx host, Ptr, Ns, Cname name (lower case, no final dot, "" is the root); Txt bytes
  std::uint16_t preference = 0;  // Mx
};

struct DnsAnswer {
  DnsStatus status = DnsStatus::Timeout;
  std::vector<DnsRecord> records;
  bool authenticated = false;    // AD bit of a validating local resolver
};

using DnsDone = std::function<void(const DnsAnswer&)>;

// Threads: query() from any thread; `done` exactly once, inline (cache, tests) or later on the resolver's thread.
class DnsResolver {
 public:
  virtual ~DnsResolver() = default;
  // name: ASCII, without final dot. Answers by `deadline` with Timeout at the latest.
  virtual void query(const std::string& name, DnsType type, TimePoint deadline, DnsDone done) = 0;
  // The next question about it asks afresh: what a cache holds of it is dropped.
  virtual void forget(const std::string& /*name*/, DnsType /*type*/) {}
};

}  // namespace sluice::backends
