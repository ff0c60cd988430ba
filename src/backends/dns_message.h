// DNS messages on the wire (RFC 1035 4, EDNS RFC 6891): the one question we ask and what a reply
// says to it.
//
// The reply is hostile until read: every length is checked, compression pointers only lead
// backwards, aliases are followed at most kMaxAliases deep. What breaks a rule makes the whole
// reply ServFail, never half an answer.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "backends/dns_resolver.h"

namespace sluice::backends {

inline constexpr std::size_t kMaxReplyBytes = 65535;
inline constexpr std::size_t kEdnsUdpBytes = 1232;  // fits every path without fragments
inline constexpr int kMaxAliases = 8;
inline constexpr std::uint32_t kMaxPositiveTtl = 86400;  // seconds
inline constexpr std::uint32_t kMaxNegativeTtl = 900;    // seconds; bounded by the SOA before

// RD and AD set, with or without an OPT record. name: canonical (dns_name.h).
std::string render_query(std::uint16_t id, std::string_view name, DnsType type, bool edns);

struct DnsReply {
  DnsAnswer answer;
  // Seconds the answer may be kept: the smallest TTL of what it was made from; of a negative one
  // the SOA's (RFC 2308 5). 0: not to be kept, as every reply without a TTL of its own.
  std::uint32_t ttl = 0;
  bool edns_refused = false;  // FORMERR or BADVERS: ask again without OPT
};

// The reply to the question (name, type). Its id is the transport's concern.
DnsReply parse_reply(std::string_view bytes, std::string_view name, DnsType type);

}  // namespace sluice::backends
