#include "backends/dns_resolver.h"

#include <array>
#include <utility>

namespace sluice::backends {

namespace {
constexpr std::array<std::pair<DnsType, std::string_view>, 7> kTypeNames{{{DnsType::A, "A"},
                                                                          {DnsType::Ns, "NS"},
                                                                          {DnsType::Cname, "CNAME"},
                                                                          {DnsType::Ptr, "PTR"},
                                                                          {DnsType::Mx, "MX"},
                                                                          {DnsType::Txt, "TXT"},
                                                                          {DnsType::Aaaa, "AAAA"}}};
}  // namespace

std::string_view dns_type_name(DnsType type) {
  for (const auto& [known, name] : kTypeNames) {
    if (known == type) return name;
  }
  return "?";
}

std::optional<DnsType> parse_dns_type(std::string_view name) {
  for (const auto& [type, known] : kTypeNames) {
    if (known == name) return type;
  }
  return std::nullopt;
}

}  // namespace sluice::backends
