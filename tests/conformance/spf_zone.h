// The DNS of one SPF case: answers given in advance, remembered by question as check_spf() wants
// them.
#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "backends/given_dns.h"
#include "facts/spf_check.h"

namespace sluice::facts {

class SpfZone final : public SpfAnswers {
 public:
  // Records of a name by type; a value is written as GivenDns takes it. What GivenDns refuses
  // cannot be asked for either.
  void give(const std::string& name, const std::string& type, std::vector<std::string> values) {
    [[maybe_unused]] const auto added = dns_.add(name + " " + type, std::move(values));
  }

  const backends::DnsAnswer* ask(std::string_view name, backends::DnsType type) override {
    const auto [at, is_new] = answers_.try_emplace({std::string(name), type});
    if (is_new) {
      dns_.query(at->first.first, type, TimePoint{},
                 [&](const backends::DnsAnswer& answer) { at->second = answer; });
    }
    return &at->second;
  }

  std::size_t questions() const { return answers_.size(); }

 private:
  backends::GivenDns dns_;
  std::map<std::pair<std::string, backends::DnsType>, backends::DnsAnswer> answers_;
};

// "local@domain", "domain" alone, or "" for the null sender.
inline SpfRequest spf_request(const std::string& client, const std::string& helo,
                              const std::string& sender) {
  SpfRequest request;
  request.client = IpAddress::parse(client).value();
  request.helo = helo;
  const std::size_t at = sender.rfind('@');
  request.local_part = at == std::string::npos ? "" : sender.substr(0, at);
  request.domain = sender.empty() ? helo : at == std::string::npos ? sender : sender.substr(at + 1);
  request.explain = true;
  return request;
}

}  // namespace sluice::facts
