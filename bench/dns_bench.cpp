// dns_bench - what the DNS adds to a session, and what an answer from the cache costs
//
//   dns_bench [SESSIONS]        30 sessions of each kind unless said
//
// A name server of this process answers after 20 ms. Sessions are those of the engine, from the
// greeting to the answer at RCPT, with a policy that asks no DNS list, one, or six of them, in
// front of the resolver what the service has there too. Prints a table.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <future>
#include <thread>
#include <vector>

#include "backends/cares_resolver.h"
#include "backends/dns_lists.h"
#include "backends/reference_store.h"
#include "engine/session.h"
#include "facts/fact.h"
#include "policy/policy_source.h"

using namespace sluice;
using namespace sluice::backends;
using Monotonic = std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds kServerDelay{20};
constexpr int kLists = 6;
const SystemClock kClock;

void must_be(bool holds, const char* what) {
  if (holds) return;
  fmt::print(stderr, "dns_bench: {}\n", what);
  std::exit(1);
}

double micros_since(Monotonic::time_point start) {
  return std::chrono::duration<double, std::micro>(Monotonic::now() - start).count();
}

// Of the calling thread: what a busy machine does not distort.
double cpu_nanos() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Answers every question after `delay`: test entries of lists and names that begin with "kept" have
// an address, TTL one hour; the rest does not exist and is not kept.
class SlowServer {
 public:
  explicit SlowServer(std::chrono::milliseconds delay) : delay_(delay) {
    socket_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    must_be(bind(socket_, reinterpret_cast<sockaddr*>(&address), length) == 0, "no port");
    getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~SlowServer() {
    stop_ = true;
    thread_.join();
    close(socket_);
  }
  SlowServer(const SlowServer&) = delete;
  SlowServer& operator=(const SlowServer&) = delete;
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  struct Due {
    Monotonic::time_point at;
    sockaddr_in to;
    std::string bytes;
  };

  static std::string answer_to(std::string query) {
    const std::size_t end = query.find('\0', 12) + 5;  // of the question; names hold no NUL
    const std::string_view first(query.data() + 13, static_cast<std::size_t>(query[12]));
    const bool exists = first == "2" || first.starts_with("kept");
    query.resize(end);
    query[2] = static_cast<char>(0x84);
    query[3] = static_cast<char>(exists ? 0x80 : 0x83);
    query[7] = static_cast<char>(exists ? 1 : 0);
    query[9] = query[11] = 0;
    if (exists) query.append("\xc0\x0c\0\1\0\1\0\0\x0e\x10\0\4\x7f\0\0\2", 16);
    return query;
  }

  void run() {
    std::deque<Due> due;
    char buffer[4096];
    while (!stop_) {
      pollfd waits{socket_, POLLIN, 0};
      poll(&waits, 1, due.empty() ? 50 : 1);
      sockaddr_in from{};
      socklen_t length = sizeof from;
      ssize_t got = 0;
      while ((got = recvfrom(socket_, buffer, sizeof buffer, MSG_DONTWAIT,
                             reinterpret_cast<sockaddr*>(&from), &length)) > 16)
        due.push_back({Monotonic::now() + delay_, from,
                       answer_to(std::string(buffer, static_cast<std::size_t>(got)))});
      for (; !due.empty() && due.front().at <= Monotonic::now(); due.pop_front())
        sendto(socket_, due.front().bytes.data(), due.front().bytes.size(), 0,
               reinterpret_cast<const sockaddr*>(&due.front().to), sizeof(sockaddr_in));
    }
  }

  const std::chrono::milliseconds delay_;
  int socket_ = -1;
  int port_ = 0;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

std::unique_ptr<CaresResolver> resolver_at(const SlowServer& server) {
  auto dns = CaresResolver::start({.servers = {server.address()}}, kClock);
  must_be(dns.has_value(), "no resolver");
  return std::move(*dns);
}

// ---- sessions ----

std::string policy_with(int lists) {
  std::string text = "sluice: 1\npolicy: bench\n";
  if (lists > 0) text += "dnsbl:\n";
  for (int i = 0; i < lists; ++i)
    text += fmt::format("  l{0}: {{zone: l{0}.example, of: client.ip}}\n", i);
  text +=
      "rules:\n  - {rule: own, stage: connect, when: 'client.ip == \"192.0.2.1\"', then: reject 554}\n";
  for (int i = 0; i < lists; ++i)
    text += fmt::format(
        "  - {{rule: l{0}, stage: connect, when: dnsbl.l{0} is hit, then: reject 550}}\n", i);
  return text;
}

engine::Answer answer_of(engine::Session& session, engine::Progress progress) {
  while (!progress) {
    session.round().wait(session.deadline() - kClock.now());
    progress = session.resume(false);
  }
  return *progress;
}

double session_us(const engine::Services& services, const policy::ProgramPtr& program, int number) {
  mail::Connection connection;
  connection.client_ip = IpAddress::from_v4(0x0b000000U + static_cast<std::uint32_t>(number));
  const auto start = Monotonic::now();
  engine::Session session(services, program);
  answer_of(session, session.connect(std::move(connection)));
  answer_of(session, session.helo("mail.far.example", {}));
  answer_of(
      session,
      session.mail_from(
          {.sender_path = "<a@far.example>", .parameters = {}, .login = {}, .queue_id = {}}, {}));
  const auto answer = answer_of(
      session,
      session.rcpt_to(
          {.path = "<b@example.com>", .parameters = {}, .refused_by_mta = false, .mta_reason = {}},
          "Q"));
  must_be(answer.verdict.action == mail::Action::Continue, "a session was refused");
  return micros_since(start);
}

double sessions(DnsResolver& dns, int lists, int count) {
  Diagnostics diagnostics;
  const auto source = policy::load_policy_text("bench.yaml", policy_with(lists), diagnostics);
  const auto program = policy::compile(source, facts::built_in_vocabulary(), {}, diagnostics);
  if (!program) fmt::print(stderr, "{}", diagnostics.render());
  must_be(program != nullptr, "the policy does not compile");
  ReferenceStore store{kClock};
  engine::Services services;
  services.clock = &kClock;
  services.store = &store;
  services.dns = &dns;
  static int number = 0;
  std::vector<double> took;
  session_us(services, program, ++number);
  for (int i = 0; i < count; ++i) took.push_back(session_us(services, program, ++number));
  return median(took);
}

void time_sessions(int count) {
  const SlowServer server(kServerDelay);
  const auto resolver = resolver_at(server);
  DnsLists lists(*resolver, kClock);
  std::vector<DnsList> watched;
  for (int i = 0; i < kLists; ++i)
    watched.push_back({fmt::format("l{}.example", i), true, false, true, {}});
  lists.watch(watched);
  const double none = sessions(lists, 0, count);
  for (const int asked : {1, kLists})
    fmt::print("| {} DNS list{} of 20 ms, added to a session | {:.1f} ms |\n", asked,
               asked == 1 ? "" : "s", (sessions(lists, asked, count) - none) / 1000);
}

// ---- the cache ----

double cached_ns(DnsResolver& dns, const std::vector<std::string>& names, int rounds) {
  const auto deadline = kClock.now() + Duration{3'600'000};
  std::size_t answered = 0;
  const double start = cpu_nanos();
  for (int round = 0; round < rounds; ++round) {
    for (const std::string& name : names)
      dns.query(name, DnsType::A, deadline,
                [&answered](const DnsAnswer& answer) { answered += answer.records.size(); });
  }
  const double took = cpu_nanos() - start;
  must_be(answered == names.size() * static_cast<std::size_t>(rounds),
          "an answer was not in the cache");
  return took / static_cast<double>(answered);
}

void time_cache() {
  const SlowServer server(std::chrono::milliseconds{0});
  const auto resolver = resolver_at(server);
  DnsLists lists(*resolver, kClock);
  lists.watch({{"l0.example", true, false, true, {}}});
  std::vector<std::string> names, listed;
  for (int i = 0; i < 1000; ++i) names.push_back(fmt::format("kept{}.far.example", i));
  for (const std::string& name : names) {
    std::promise<void> answered;
    resolver->query(name, DnsType::A, kClock.now() + Duration{5000},
                    [&](const DnsAnswer&) { answered.set_value(); });
    answered.get_future().wait();
  }
  std::vector<double> straight, through;
  for (int i = 0; i < 9; ++i) {
    straight.push_back(cached_ns(*resolver, names, 100));
    through.push_back(cached_ns(lists, names, 100));
  }
  fmt::print("| a look-up from the cache, processor time | {:.0f} ns |\n", median(straight));
  fmt::print("| the same behind the watch over DNS lists, as in the service | {:.0f} ns |\n",
             median(through));
}

}  // namespace

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 30;
  if (count <= 0) {
    fmt::print(stderr, "usage: dns_bench [SESSIONS]\n");
    return 64;
  }
  fmt::print("| what | median |\n|---|---|\n");
  time_sessions(count);
  time_cache();
  return 0;
}
