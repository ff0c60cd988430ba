// rooms: backends
// Replies of name servers: hostile bytes against every type we ask for.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "backends/dns_message.h"
#include "backends/dns_name.h"

using namespace sluice::backends;

namespace {

constexpr DnsType kTypes[] = {DnsType::A,  DnsType::Ns,  DnsType::Cname, DnsType::Ptr,
                              DnsType::Mx, DnsType::Txt, DnsType::Aaaa};

void require(bool holds) {
  if (!holds) std::abort();
}

void check(const DnsReply& reply) {
  require(reply.ttl <= kMaxPositiveTtl);
  require((reply.answer.status == DnsStatus::Ok) == !reply.answer.records.empty());
  require(reply.answer.records.size() <= kMaxDnsRecords);
  for (const DnsRecord& record : reply.answer.records) require(record.text.size() <= kMaxTxtBytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size < 1) return 0;
  const DnsType type = kTypes[bytes[0] % std::size(kTypes)];
  const std::string_view rest(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  check(parse_reply(rest, "a.example", type));
  // The same bytes behind a right header and question, so that the records are reached.
  std::string reply = render_query(7, "a.example", type, false);
  reply[2] = '\x81';
  reply[3] = '\x80';
  for (std::size_t i = 0; i < 6 && i < rest.size(); ++i) reply[6 + i] = rest[i];
  check(parse_reply(reply + std::string(rest.substr(std::min<std::size_t>(6, rest.size()))),
                    "a.example", type));
  if (const auto name = canonical_dns_name(rest))
    require(canonical_dns_name(*name) == name || name->empty());
  return 0;
}
