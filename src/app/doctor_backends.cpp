// Whom the service asks for DNS: a resolver fit for DNS lists.
#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <sstream>

#include "app/doctor.h"
#include "backends/cares_resolver.h"
#include "base/text.h"

namespace sluice::app {
namespace {

using Weight = Finding::Weight;

// Resolvers for everybody: the lists answer them with errors, or not at all.
constexpr std::string_view kPublic[] = {"8.8.8.8",
                                        "8.8.4.4",
                                        "1.1.1.1",
                                        "1.0.0.1",
                                        "9.9.9.9",
                                        "149.112.112.112",
                                        "208.67.222.222",
                                        "208.67.220.220",
                                        "4.2.2.1",
                                        "4.2.2.2",
                                        "94.140.14.14",
                                        "94.140.15.15",
                                        "76.76.2.0",
                                        "2001:4860:4860::8888",
                                        "2001:4860:4860::8844",
                                        "2606:4700:4700::1111",
                                        "2606:4700:4700::1001",
                                        "2620:fe::fe",
                                        "2620:fe::9"};
constexpr Duration kDnsWait{5'000};

std::vector<std::string> resolvers(const ServiceConfig& config) {
  if (!config.dns_servers.empty()) return config.dns_servers;
  std::vector<std::string> servers;
  std::ifstream file("/etc/resolv.conf");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string keyword, address;
    if (words >> keyword >> address && keyword == "nameserver") servers.push_back(address);
  }
  return servers;
}

// "9.9.9.9:53", "[2620:fe::fe]:53": the address alone.
std::string address_of(const std::string& server) {
  if (IpAddress::parse(server)) return server;
  const std::string host = server.substr(0, server.rfind(':'));
  return !host.empty() && host.front() == '[' ? host.substr(1, host.size() - 2) : host;
}

backends::DnsAnswer ask(backends::DnsResolver& dns, const std::string& name) {
  struct Waiting {
    std::mutex mutex;
    std::condition_variable came;
    std::optional<backends::DnsAnswer> answer;
  };
  const auto waiting = std::make_shared<Waiting>();
  dns.query(name, backends::DnsType::A, SystemClock().now() + kDnsWait,
            [waiting](const backends::DnsAnswer& answer) {
              const std::lock_guard lock(waiting->mutex);
              waiting->answer = answer;
              waiting->came.notify_all();
            });
  std::unique_lock lock(waiting->mutex);
  waiting->came.wait_for(lock, kDnsWait + Duration{1'000},
                         [&] { return waiting->answer.has_value(); });
  return waiting->answer.value_or(backends::DnsAnswer{});
}

bool within(const IpAddress& address, const char* network) {
  return Network::parse(network)->contains(address);
}

// RFC 5782 section 5: 127.0.0.2 is on every list of addresses, 127.0.0.1 on none.
void check_list(const policy::Dnsbl& list, backends::DnsResolver& dns, Findings& findings) {
  if (list.of != policy::Dnsbl::Of::ClientIp) return;
  const auto listed = ask(dns, "2.0.0.127." + list.zone),
             unlisted = ask(dns, "1.0.0.127." + list.zone);
  const std::string name = fmt::format("{} ({})", list.name, list.zone);
  const bool is_error =
      std::any_of(listed.records.begin(), listed.records.end(), [](const auto& record) {
        return within(record.address, "127.255.255.0/24") || !within(record.address, "127.0.0.0/8");
      });
  if (listed.status == backends::DnsStatus::Timeout ||
      listed.status == backends::DnsStatus::ServFail) {
    findings.push_back({Weight::Warn, "dns list", name + " does not answer",
                        "dig 2.0.0.127." + list.zone + " tells more"});
  } else if (is_error) {
    findings.push_back(
        {Weight::Bad, "dns list", name + " answers with an error: it refuses this resolver",
         "a resolver of your own on this host (apt install unbound; dns: {servers: [127.0.0.1]})"});
  } else if (listed.records.empty()) {
    findings.push_back(
        {Weight::Bad, "dns list",
         name + " does not list its test address: it is closed, or the resolver refuses it",
         "remove it from the policy, or use a resolver of your own"});
  } else if (unlisted.status == backends::DnsStatus::Ok) {
    findings.push_back({Weight::Bad, "dns list", name + " lists everything (127.0.0.1 too)",
                        "remove it from the policy at once"});
  } else {
    findings.push_back({Weight::Good, "dns list", name + " answers as it should", {}});
  }
}

}  // namespace

void check_dns(const Patient& patient, Findings& findings) {
  const bool uses_lists = uses_fact(patient.program, "dnsbl.");
  const auto servers = resolvers(patient.config);
  if (servers.empty())
    findings.push_back({Weight::Bad, "dns", "no resolver: every DNS fact is unknown",
                        "nameserver 127.0.0.1 in /etc/resolv.conf"});
  for (const std::string& server : servers) {
    const bool is_public =
        std::find(std::begin(kPublic), std::end(kPublic), address_of(server)) != std::end(kPublic);
    if (!is_public)
      findings.push_back({Weight::Good, "dns", "resolver " + server, {}});
    else if (uses_lists)
      findings.push_back(
          {Weight::Bad, "dns",
           server + " is a public resolver: DNS lists refuse it, their answers are wrong",
           "a resolver of your own on this host (apt install unbound; dns: {servers: "
           "[127.0.0.1]})"});
    else
      findings.push_back({Weight::Note,
                          "dns",
                          server + " is a public resolver: it would not do for DNS lists",
                          {}});
  }
  if (!uses_lists || servers.empty()) return;
  static const SystemClock kClock;
  backends::CaresOptions options;
  options.servers = patient.config.dns_servers;
  auto dns = backends::CaresResolver::start(options, kClock);
  if (!dns) return;
  for (const policy::Dnsbl& list : patient.program->dnsbls()) check_list(list, **dns, findings);
}

}  // namespace sluice::app
