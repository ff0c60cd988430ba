// Questions that several facts ask of the DNS, with one meaning of the answer.
#pragma once
#include <string_view>
#include <vector>

#include "facts/fact.h"

namespace sluice::facts {

// Can mail be sent to the domain (RFC 5321 5.1): an MX that is not null, else an A or AAAA record.
// Bool, or unknown when the DNS failed on the way; nullopt: pending.
Outcome receives_mail(FactContext& context, std::string_view domain);
// RFC 7505: the only MX is ".".
Outcome has_null_mx(FactContext& context, std::string_view domain);
// Every address of every MX host is loopback, private or reserved.
Outcome has_bogus_mx(FactContext& context, std::string_view domain);
// Registrable domain of the best MX host, none without MX.
Outcome mx_group(FactContext& context, std::string_view domain);
// The name has an A or AAAA record.
Outcome has_address(FactContext& context, std::string_view name);

// Unverified reverse name: text, none, or unknown.
Outcome reverse_name(FactContext& context, const IpAddress& address);
// A reverse name that points back to the address (at most kMaxPtrNames names are tried).
Outcome confirmed_reverse_name(FactContext& context, const IpAddress& address);

}  // namespace sluice::facts
