// Mail hosts: where mail for a domain is delivered (RFC 5321 5.1, RFC 7505), found out through a
// DnsResolver: MX in the order of preference, equal ones in random order; without MX the domain's
// own address.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "backends/dns_resolver.h"

namespace sluice::backends {

inline constexpr std::size_t kMaxMailHosts = 4;        // the best MX hosts
inline constexpr std::size_t kMaxAddressesOfHost = 2;  // of each

struct MailHosts {
  enum class Found : std::uint8_t {
    Hosts,     // `addresses` has at least one
    NoDomain,  // the domain does not exist
    NullMx,    // it takes no mail
    NoHost,    // it has neither MX nor address, or no MX host has an address
    Failed,    // the DNS did not tell: `failure`
  };
  Found found = Found::Failed;
  DnsStatus failure = DnsStatus::Timeout;
  std::vector<IpAddress> addresses;  // to be tried in this order
};

// domain: A-labels. `done` exactly once, by `deadline`; inline or on the resolver's thread. The
// resolver outlives the search.
void find_mail_hosts(DnsResolver& resolver, const std::string& domain, TimePoint deadline,
                     std::function<void(MailHosts)> done);

}  // namespace sluice::backends
