// The resolver against a real name server, nsd, on a free loopback port.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "../../free_port.h"
#include "backends/cares_resolver.h"

using namespace sluice;
using namespace sluice::backends;
namespace fs = std::filesystem;

namespace {

const SystemClock kClock;

const char* nsd_program() {
  for (const char* const path : {"/usr/sbin/nsd", "/usr/local/sbin/nsd"}) {
    if (access(path, X_OK) == 0) return path;
  }
  return nullptr;
}

constexpr char kZone[] = R"($ORIGIN test.example.
$TTL 60
@ SOA ns admin 1 3600 600 86400 300
@ NS ns
ns A 127.0.0.1
mail A 192.0.2.25
mail AAAA 2001:db8::25
@ MX 10 Mail
@ MX 20 mail.elsewhere.example.
nullmx MX 0 .
@ TXT "v=spf1 " "-all"
loop1 CNAME loop2
loop2 CNAME loop1
c1 CNAME c2
c2 CNAME c3
c3 CNAME mail
dangling CNAME nowhere
*.wild A 192.0.2.99
_dmarc TXT "v=DMARC1; p=reject"
)";
constexpr char kReverseZone[] = R"($ORIGIN 2.0.192.in-addr.arpa.
$TTL 60
@ SOA ns.test.example. admin.test.example. 1 3600 600 86400 300
@ NS ns.test.example.
25 PTR mail.test.example.
)";

// A name server of its own for the test; stopped by its pid.
class Nsd {
 public:
  explicit Nsd(const char* program) {
    char name[] = "/tmp/sluice-nsd-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    folder_ = name;
    write("test.zone", std::string(kZone) + huge_text());
    write("reverse.zone", kReverseZone);
    write("nsd.conf", configuration());
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGTERM);
      const int log = open((folder_ / "log").c_str(), O_CREAT | O_WRONLY, 0600);
      dup2(log, 1);
      dup2(log, 2);
      execl(program, program, "-d", "-c", (folder_ / "nsd.conf").c_str(), nullptr);
      _exit(127);
    }
    REQUIRE(pid_ > 0);
  }
  ~Nsd() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
    fs::remove_all(folder_);
  }
  Nsd(const Nsd&) = delete;
  Nsd& operator=(const Nsd&) = delete;

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string log() const {
    std::ifstream in(folder_ / "log");
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  void write(const std::string& file, const std::string& content) {
    std::ofstream(folder_ / file) << content;
  }
  static std::string huge_text() {
    std::string line = "huge TXT";
    for (int i = 0; i < 20; ++i)
      line += " \"" + std::string(250, static_cast<char>('a' + i)) + "\"";
    return line + "\n";
  }
  std::string configuration() const {
    const std::string dir = folder_.string(), port = std::to_string(port_);
    std::string text = "server:\n  ip-address: 127.0.0.1@" + port + "\n  port: " + port +
                       "\n  username: \"\"\n  chroot: \"\"\n  database: \"\"\n  server-count: 1\n  "
                       "rrl-ratelimit: 0\n"
                       "  zonesdir: \"" +
                       dir + "\"\n  pidfile: \"" + dir + "/nsd.pid\"\n  xfrdfile: \"" + dir +
                       "/xfrd.state\"\n  zonelistfile: \"" + dir + "/zone.list\"\n  xfrdir: \"" +
                       dir + "\"\nremote-control:\n  control-enable: no\n";
    for (const auto& [zone, file] : {std::pair{"test.example", "test.zone"},
                                     {"2.0.192.in-addr.arpa", "reverse.zone"},
                                     {"broken.example", "missing.zone"}}) {
      text += std::string("zone:\n  name: ") + zone + "\n  zonefile: " + file + "\n";
    }
    return text;
  }

  fs::path folder_;
  int port_ = testing::free_port();
  pid_t pid_ = -1;
};

DnsAnswer ask(CaresResolver& dns, const std::string& name, DnsType type) {
  std::promise<DnsAnswer> promise;
  dns.query(name, type, kClock.now() + Duration(60'000),
            [&](const DnsAnswer& a) { promise.set_value(a); });
  return promise.get_future().get();
}

bool wait_until_up(const std::string& address) {
  for (int i = 0; i < 1'000; ++i) {
    auto dns =
        CaresResolver::start({.servers = {address}, .timeout = Duration(200), .tries = 1}, kClock);
    if (dns && ask(**dns, "test.example", DnsType::Ns).status == DnsStatus::Ok) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
  }
  return false;
}

}  // namespace

TEST_CASE("resolver: reads what a real name server says") {
  const char* const program = nsd_program();
  if (program == nullptr) {
    WARN("skipped: nsd is not installed");
    return;
  }
  const Nsd server(program);
  INFO(server.log());
  REQUIRE(wait_until_up(server.address()));
  auto started =
      CaresResolver::start({.servers = {server.address()}, .timeout = Duration(20'000)}, kClock);
  REQUIRE(started);
  CaresResolver& dns = **started;

  const DnsAnswer mx = ask(dns, "test.example", DnsType::Mx);
  REQUIRE(mx.records.size() == 2);
  const auto& best = mx.records[0].preference == 10 ? mx.records[0] : mx.records[1];
  CHECK(best.text == "mail.test.example");
  const DnsAnswer null_mx = ask(dns, "nullmx.test.example", DnsType::Mx);
  REQUIRE(null_mx.records.size() == 1);
  CHECK(null_mx.records[0].text.empty());
  CHECK(ask(dns, "mail.test.example", DnsType::A).records.at(0).address ==
        IpAddress::parse("192.0.2.25"));
  CHECK(ask(dns, "mail.test.example", DnsType::Aaaa).records.at(0).address ==
        IpAddress::parse("2001:db8::25"));
  CHECK(ask(dns, "test.example", DnsType::Txt).records.at(0).text == "v=spf1 -all");
  CHECK(ask(dns, "_dmarc.test.example", DnsType::Txt).records.at(0).text == "v=DMARC1; p=reject");
  CHECK(ask(dns, "25.2.0.192.in-addr.arpa", DnsType::Ptr).records.at(0).text ==
        "mail.test.example");
  CHECK(ask(dns, "any.thing.wild.test.example", DnsType::A).records.at(0).address ==
        IpAddress::parse("192.0.2.99"));
  CHECK(ask(dns, "c1.test.example", DnsType::A).records.at(0).address ==
        IpAddress::parse("192.0.2.25"));
  CHECK(ask(dns, "huge.test.example", DnsType::Txt).records.at(0).text.size() == 5000);

  CHECK(ask(dns, "mail.test.example", DnsType::Mx).status == DnsStatus::NoData);
  CHECK(ask(dns, "nowhere.test.example", DnsType::A).status == DnsStatus::NxDomain);
  CHECK(ask(dns, "dangling.test.example", DnsType::A).status == DnsStatus::NxDomain);
  CHECK(ask(dns, "loop1.test.example", DnsType::A).status == DnsStatus::ServFail);
  CHECK(ask(dns, "host.broken.example", DnsType::A).status == DnsStatus::ServFail);
  CHECK(ask(dns, "elsewhere.example", DnsType::A).status ==
        DnsStatus::ServFail);  // REFUSED: not its zone

  const auto sent = dns.counts().sent;
  CHECK(ask(dns, "nowhere.test.example", DnsType::A).status == DnsStatus::NxDomain);
  CHECK(ask(dns, "huge.test.example", DnsType::Txt).status == DnsStatus::Ok);
  CHECK(dns.counts().sent == sent);
}
