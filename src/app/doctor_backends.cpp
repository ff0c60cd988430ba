// Whom the service asks for DNS: a resolver fit for DNS lists.
#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <sstream>

#include "app/doctor.h"
#include "backends/cares_channel.h"
#include "backends/cares_resolver.h"
#include "backends/dns_message.h"
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
constexpr Duration kProbeTry{1'200};  // of the first; the second and last waits twice as long

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

// Whether mail is judged by what the DNS says.
bool asks_dns(const Patient& patient) {
  if (!patient.config.authserv_id.empty()) return true;
  if (patient.program == nullptr) return false;
  const auto& facts = patient.program->facts();
  return std::any_of(facts.begin(), facts.end(), [](const policy::UsedFact& fact) {
    return fact.signature.cost.find("DNS") != std::string::npos;
  });
}

enum class Answering { Yes, WithErrors, Never };

// It takes a resolver's whole work; whatever comes but an error is an answer.
constexpr const char* kProbe = "a.root-servers.net";

Answering meaning_of(std::string_view reply) {
  const auto parsed = backends::parse_reply(reply, kProbe, backends::DnsType::A);
  return is_answer(parsed.answer.status) ? Answering::Yes : Answering::WithErrors;
}

Answering probe(const std::string& server) {
  constexpr std::uint16_t kId = 4711;
  auto channel = backends::CaresChannel::open({{server}, kProbeTry, 2});
  if (!channel) return Answering::Never;
  std::optional<Answering> seen;
  (*channel)->send(
      backends::render_query(kId, kProbe, backends::DnsType::A, false),
      [&seen](backends::TransportStatus status, std::string_view reply) {
        seen = status == backends::TransportStatus::Reply ? meaning_of(reply) : Answering::Never;
      });
  const auto end = std::chrono::steady_clock::now() + kDnsWait;
  while (!seen && std::chrono::steady_clock::now() < end) (*channel)->run_once(Duration{100});
  return seen.value_or(Answering::Never);
}

void check_server(const std::string& server, bool is_needed, Findings& findings) {
  const Weight bad = is_needed ? Weight::Bad : Weight::Note;
  const std::string so = is_needed ? ": DNS facts are unknown, or late when another resolver has to answer"
                                   : "; this policy asks no DNS";
  const std::string cure = "dig @" + address_of(server) + " example.com tells more; ";
  switch (probe(server)) {
    case Answering::Yes:
      findings.push_back({Weight::Good, "dns", "resolver " + server + " answers", {}});
      break;
    case Answering::WithErrors:
      findings.push_back({bad, "dns", "resolver " + server + " answers with an error" + so,
                          cure + "it has to serve this host (unbound: access-control, bind: "
                                 "allow-recursion) and to reach the DNS"});
      break;
    case Answering::Never:
      findings.push_back({bad, "dns", "resolver " + server + " gave no answer" + so,
                          cure + "start it, or name one that answers: dns: {servers: [127.0.0.1]} with "
                                 "one of your own (apt install unbound)"});
      break;
  }
}

}  // namespace

void check_dns(const Patient& patient, Findings& findings) {
  const bool uses_lists = uses_fact(patient.program, "dnsbl.");
  const bool is_needed = asks_dns(patient);
  const auto servers = resolvers(patient.config);
  if (servers.empty())
    findings.push_back({Weight::Bad, "dns", "no resolver: every DNS fact is unknown",
                        "nameserver 127.0.0.1 in /etc/resolv.conf"});
  for (const std::string& server : servers) {
    const bool is_public =
        std::find(std::begin(kPublic), std::end(kPublic), address_of(server)) != std::end(kPublic);
    if (is_public && uses_lists)
      findings.push_back(
          {Weight::Bad, "dns",
           server + " is a public resolver: DNS lists refuse it, their answers are wrong",
           "a resolver of your own on this host (apt install unbound; dns: {servers: "
           "[127.0.0.1]})"});
    else if (is_public)
      findings.push_back({Weight::Note,
                          "dns",
                          server + " is a public resolver: it would not do for DNS lists",
                          {}});
    check_server(server, is_needed, findings);
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
