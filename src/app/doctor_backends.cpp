// What the service asks: a resolver fit for DNS lists, a Redis that does not throw away what it should keep.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <fstream>
#include <mutex>
#include <sstream>

#include "app/doctor.h"
#include "backends/cares_resolver.h"
#include "backends/redis_credentials.h"
#include "base/text.h"

namespace sluice::app {
namespace {

using Weight = Finding::Weight;

// Resolvers for everybody: the lists answer them with errors, or not at all.
constexpr std::string_view kPublic[] = {
    "8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "149.112.112.112", "208.67.222.222", "208.67.220.220",
    "4.2.2.1", "4.2.2.2", "94.140.14.14", "94.140.15.15", "76.76.2.0", "2001:4860:4860::8888", "2001:4860:4860::8844",
    "2606:4700:4700::1111", "2606:4700:4700::1001", "2620:fe::fe", "2620:fe::9"};
constexpr Duration kDnsWait{5'000};
constexpr int kRedisSeconds = 2;
constexpr std::size_t kMaxReply = 256 * 1024;

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
  dns.query(name, backends::DnsType::A, SystemClock().now() + kDnsWait, [waiting](const backends::DnsAnswer& answer) {
    const std::lock_guard lock(waiting->mutex);
    waiting->answer = answer;
    waiting->came.notify_all();
  });
  std::unique_lock lock(waiting->mutex);
  waiting->came.wait_for(lock, kDnsWait + Duration{1'000}, [&] { return waiting->answer.has_value(); });
  return waiting->answer.value_or(backends::DnsAnswer{});
}

bool within(const IpAddress& address, const char* network) { return Network::parse(network)->contains(address); }

// RFC 5782 section 5: 127.0.0.2 is on every list of addresses, 127.0.0.1 on none.
void check_list(const policy::Dnsbl& list, backends::DnsResolver& dns, Findings& findings) {
  if (list.of != policy::Dnsbl::Of::ClientIp) return;
  const auto listed = ask(dns, "2.0.0.127." + list.zone), unlisted = ask(dns, "1.0.0.127." + list.zone);
  const std::string name = fmt::format("{} ({})", list.name, list.zone);
  const bool is_error = std::any_of(listed.records.begin(), listed.records.end(), [](const auto& record) {
    return within(record.address, "127.255.255.0/24") || !within(record.address, "127.0.0.0/8");
  });
  if (listed.status == backends::DnsStatus::Timeout || listed.status == backends::DnsStatus::ServFail) {
    findings.push_back({Weight::Warn, "dns list", name + " does not answer", "dig 2.0.0.127." + list.zone + " tells more"});
  } else if (is_error) {
    findings.push_back({Weight::Bad, "dns list", name + " answers with an error: it refuses this resolver",
                        "a resolver of your own on this host (apt install unbound; dns: {servers: [127.0.0.1]})"});
  } else if (listed.records.empty()) {
    findings.push_back({Weight::Bad, "dns list", name + " does not list its test address: it is closed, or the resolver refuses it",
                        "remove it from the policy, or use a resolver of your own"});
  } else if (unlisted.status == backends::DnsStatus::Ok) {
    findings.push_back({Weight::Bad, "dns list", name + " lists everything (127.0.0.1 too)", "remove it from the policy at once"});
  } else {
    findings.push_back({Weight::Good, "dns list", name + " answers as it should", {}});
  }
}

// --- Redis: a few questions on a connection of our own ---

class RedisTalk {
 public:
  ~RedisTalk() {
    if (fd_ >= 0) ::close(fd_);
  }
  bool connect(const std::string& server) {
    if (server.compare(0, 5, "unix:") == 0) return connect_unix(server.substr(5));
    const auto colon = server.rfind(':');
    const std::string port = colon == std::string::npos ? "6379" : server.substr(colon + 1);
    addrinfo hints{}, *places = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    if (::getaddrinfo(address_of(server).c_str(), port.c_str(), &hints, &places) != 0) return false;
    fd_ = ::socket(places->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool ok = fd_ >= 0 && limit() && ::connect(fd_, places->ai_addr, places->ai_addrlen) == 0;
    ::freeaddrinfo(places);
    return ok;
  }
  // First line of the reply, or the whole of a bulk string.
  std::string ask(const std::string& command) {
    if (::send(fd_, command.data(), command.size(), MSG_NOSIGNAL) < 0) return {};
    std::string reply;
    char buffer[8192];
    std::size_t wanted = 0;
    while (reply.size() < kMaxReply) {
      const auto line_end = reply.find("\r\n");
      if (line_end != std::string::npos && reply[0] != '$') return reply.substr(0, line_end);
      if (line_end != std::string::npos) {
        wanted = line_end + 2 + static_cast<std::size_t>(std::max(0, std::atoi(reply.c_str() + 1)));
        if (reply.size() >= wanted) return reply.substr(line_end + 2, wanted - line_end - 2);
      }
      const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
      if (n <= 0) return {};
      reply.append(buffer, static_cast<std::size_t>(n));
    }
    return {};
  }

 private:
  bool connect_unix(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return false;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd_ >= 0 && limit() && ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  bool limit() const {
    const timeval most{kRedisSeconds, 0};
    return ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most) == 0 &&
           ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most) == 0;
  }
  int fd_ = -1;
};

std::string field_of(const std::string& info, const std::string& name) {
  const auto at = info.find("\n" + name + ":");
  if (at == std::string::npos) return {};
  const auto begin = at + name.size() + 2;
  return info.substr(begin, info.find_first_of("\r\n", begin) - begin);
}

void check_memory(const std::string& server, const std::string& info, Findings& findings) {
  const std::string policy = field_of(info, "maxmemory_policy"), most = field_of(info, "maxmemory");
  if (policy.empty()) {
    findings.push_back({Weight::Note, "redis", server + ": this user may not look at its memory (INFO)",
                        "redis-cli config get maxmemory-policy should say noeviction or volatile-ttl"});
  } else if (policy == "noeviction" || policy == "volatile-ttl" || most == "0") {
    findings.push_back({Weight::Good, "redis", fmt::format("{}: maxmemory-policy {}", server, policy), {}});
  } else {
    findings.push_back({Weight::Bad, "redis",
                        fmt::format("{}: maxmemory-policy {}: a flood of forged senders throws live limits away", server, policy),
                        "redis-cli config set maxmemory-policy volatile-ttl (and in redis.conf)"});
  }
}

void check_server(const ServiceConfig& config, const std::string& server, Findings& findings) {
  RedisTalk open;
  if (!open.connect(server)) {
    findings.push_back({Weight::Bad, "redis", server + " does not answer", "systemctl status redis-server; a firewall?"});
    return;
  }
  const auto ip = IpAddress::parse(address_of(server));
  const bool is_local = server.compare(0, 5, "unix:") == 0 || (ip && ip->to_string().compare(0, 4, "127.") == 0) ||
                        (ip && ip->to_string() == "::1");
  const bool lets_all_in = open.ask("PING\r\n") == "+PONG";
  if (lets_all_in && !is_local)
    findings.push_back({Weight::Bad, "redis", server + " lets everybody in without a password",
                        "ACL SETUSER default off, and a user of its own with redis.username and redis.password_file"});
  backends::RedisCredentials credentials{config.redis_username, config.redis_password_file, {}};
  RedisTalk talk;
  if (!talk.connect(server)) return;
  if (!credentials.is_empty()) {
    if (const auto read = credentials.read(); !read) {
      findings.push_back({Weight::Bad, "redis", read.error().what, "the password alone in a file, mode 0640"});
      return;
    }
    const std::string said = talk.ask(credentials.auth_command());
    if (said != "+OK") {
      findings.push_back({Weight::Bad, "redis", server + ": the user or password is wrong: " + log_value(said), "ACL SETUSER in redis"});
      return;
    }
  }
  const std::string who = talk.ask("ACL WHOAMI\r\n");
  if (who == "default" && !is_local)
    findings.push_back({Weight::Warn, "redis", server + ": the service is the default user and may do everything",
                        "a user of its own, with the rights it needs only"});
  check_memory(server, talk.ask("INFO memory\r\n"), findings);
}

}  // namespace

void check_dns(const Patient& patient, Findings& findings) {
  const bool uses_lists = uses_fact(patient.program, "dnsbl.");
  const auto servers = resolvers(patient.config);
  if (servers.empty())
    findings.push_back({Weight::Bad, "dns", "no resolver: every DNS fact is unknown", "nameserver 127.0.0.1 in /etc/resolv.conf"});
  for (const std::string& server : servers) {
    const bool is_public = std::find(std::begin(kPublic), std::end(kPublic), address_of(server)) != std::end(kPublic);
    if (!is_public)
      findings.push_back({Weight::Good, "dns", "resolver " + server, {}});
    else if (uses_lists)
      findings.push_back({Weight::Bad, "dns", server + " is a public resolver: DNS lists refuse it, their answers are wrong",
                          "a resolver of your own on this host (apt install unbound; dns: {servers: [127.0.0.1]})"});
    else
      findings.push_back({Weight::Note, "dns", server + " is a public resolver: it would not do for DNS lists", {}});
  }
  if (!uses_lists || servers.empty()) return;
  static const SystemClock kClock;
  backends::CaresOptions options;
  options.servers = patient.config.dns_servers;
  auto dns = backends::CaresResolver::start(options, kClock);
  if (!dns) return;
  for (const policy::Dnsbl& list : patient.program->dnsbls()) check_list(list, **dns, findings);
}

void check_redis(const Patient& patient, Findings& findings) {
  const ServiceConfig& config = patient.config;
  if (config.store != "redis") return;
  for (const auto* servers : {&config.redis_servers, &config.redis_cluster})
    for (const std::string& server : *servers) check_server(config, server, findings);
}

}  // namespace sluice::app
