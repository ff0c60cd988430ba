#include "backends/smtp_callout.h"

#include <future>

#include "backends/callout_cache.h"
#include "backends/given_dns.h"
#include "scripted_smtp.h"

using namespace sluice;
using namespace sluice::backends;
using std::chrono::minutes;

namespace {

// Callouts with given DNS and a clock for cache and rates; servers are on 127.0.0.0/8.
struct World {
  explicit World(std::uint16_t port) {
    options.port = port;
    options.helo = "mx.here.example";
    options.allow = {*Network::parse("127.0.0.0/8")};
    options.now = [this] { return CalloutCache::Time(Duration{now_ms.load()}); };
    options.own_addresses = [] { return std::vector<IpAddress>{*IpAddress::parse("9.9.9.9")}; };
    options.limits.per_target = 20;
  }
  void start() {
    loop = std::move(*EventLoop::start("callout test"));
    callout = std::make_unique<SmtpCallout>(*loop, dns, clock, options);
  }
  std::future<CalloutAnswer> ask_later(const std::string& address,
                                       Duration patience = Duration{90'000}) {
    if (!callout) start();
    const std::size_t at = address.rfind('@');
    auto answer = std::make_shared<std::promise<CalloutAnswer>>();
    callout->ask({address.substr(0, at), address.substr(at + 1)}, clock.now() + patience,
                 [answer](const CalloutAnswer& a) { answer->set_value(a); });
    return answer->get_future();
  }
  CalloutAnswer ask(const std::string& address, Duration patience = Duration{90'000}) {
    return ask_later(address, patience).get();
  }
  CalloutStatus status(const std::string& address) { return ask(address).status; }
  void advance(Duration d) { now_ms += d.count(); }

  std::atomic<Duration::rep> now_ms{1'000'000};
  GivenDns dns;
  SystemClock clock;
  CalloutOptions options;
  std::unique_ptr<EventLoop> loop;
  std::unique_ptr<SmtpCallout> callout;

  ~World() { callout.reset(); }
};

// Every name has this address, in the record asked for: also ::ffff:127.0.0.1 in an AAAA record.
class OneAddress final : public DnsResolver {
 public:
  void query(const std::string& name, DnsType type, TimePoint, DnsDone done) override {
    DnsAnswer answer{DnsStatus::NoData, {}, false};
    const bool is_mx = type == DnsType::Mx && name.substr(0, 5) != "plain";
    if (is_mx) answer = {DnsStatus::Ok, {{{}, "mx." + name, 10}}, false};
    if (type == wanted) answer = {DnsStatus::Ok, {{address, "", 0}}, false};
    done(answer);
  }
  DnsType wanted = DnsType::A;
  IpAddress address;
};

// far.example with one mail host, 127.0.0.1.
struct FarWorld : World {
  explicit FarWorld(const ScriptedSmtp& server) : World(server.port()) {
    dns.add("far.example MX", {"10 mx.far.example"});
    dns.add("mx.far.example A", {"127.0.0.1"});
  }
};

}  // namespace

TEST_CASE("callout: asks the mail host of the domain, and is known afterwards") {
  ScriptedSmtp server(answering({}));
  FarWorld world(server);
  const auto answer = world.ask("ann@far.example");
  CHECK(answer.status == CalloutStatus::Accepted);
  CHECK(answer.said == "127.0.0.1: rcpt: 250 2.1.5 Ok");
  CHECK(world.status("ann@far.example") == CalloutStatus::Accepted);
  CHECK(server.sessions() == 1);
  CHECK(world.callout->counts().cached == 1);
  CHECK(world.status("bob@far.example") == CalloutStatus::Accepted);
  CHECK(server.sessions() == 2);
  CHECK(server.heard()[2] == "RCPT TO:<ann@far.example>");
}

TEST_CASE("callout: outcomes are asked again when they are too old") {
  std::atomic<bool> knows{false};
  ScriptedSmtp server([&](SmtpPeer& peer) {
    answering_recipient(knows ? "250 2.1.5 Ok" : "550 5.1.1 who?")(peer);
  });
  FarWorld world(server);
  CHECK(world.status("ann@far.example") == CalloutStatus::Refused);
  knows = true;
  world.advance(minutes(119));
  CHECK(world.status("ann@far.example") == CalloutStatus::Refused);
  world.advance(minutes(2));
  CHECK(world.status("ann@far.example") == CalloutStatus::Accepted);
  knows = false;
  world.advance(std::chrono::hours(23));
  CHECK(world.status("ann@far.example") == CalloutStatus::Accepted);
  world.advance(std::chrono::hours(2));
  CHECK(world.status("ann@far.example") == CalloutStatus::Refused);
  CHECK(world.callout->recent()[0] == "ann@far.example refused (127.0.0.1: rcpt: 550 5.1.1 who?)");
}

TEST_CASE(
    "callout: what a host says before RCPT holds for its domain, what it says of one does not") {
  SmtpAnswers answers;
  answers.mail = "550 5.7.1 no null senders here";
  ScriptedSmtp server(answering(answers));
  FarWorld world(server);
  CHECK(world.status("ann@far.example") == CalloutStatus::Undecided);
  CHECK(world.status("bob@far.example") == CalloutStatus::Undecided);
  CHECK(server.sessions() == 1);
}

TEST_CASE("callout: the next host is asked when the first does not answer or wants nobody") {
  SmtpAnswers busy;
  busy.greeting = GENERATE(as<std::string>{}, "", "421 4.3.2 busy", "554 5.7.1 not you");
  const ScriptedSmtp::Script first =
      busy.greeting.empty() ? ScriptedSmtp::Script([](SmtpPeer&) {}) : answering(busy);
  ScriptedSmtp second(answering_recipient("550 5.1.1 who?"));
  ScriptedSmtp server(first, "127.0.0.2", second.port());
  World world(second.port());
  world.dns.add("far.example MX",
                {"5 dead.far.example", "10 busy.far.example", "20 mx.far.example"});
  world.dns.add("dead.far.example A", {"127.0.0.3"});
  world.dns.add("busy.far.example A", {"127.0.0.2"});
  world.dns.add("mx.far.example A", {"127.0.0.1"});
  CHECK(world.status("ann@far.example") == CalloutStatus::Refused);
  CHECK(server.sessions() == 1);
  CHECK(second.sessions() == 1);
  CHECK(world.callout->counts().sessions == 3);
}

TEST_CASE("callout: of hosts that all fail, the one that says most counts") {
  SmtpAnswers busy;
  busy.greeting = "421 4.3.2 busy";
  ScriptedSmtp server(answering(busy));
  World world(server.port());
  world.dns.add("far.example MX", {"5 mx.far.example", "10 dead.far.example"});
  world.dns.add("mx.far.example A", {"127.0.0.1"});
  world.dns.add("dead.far.example A", {"127.0.0.3"});
  world.dns.add("dead.example MX", {"5 dead.far.example"});
  CHECK(world.status("ann@far.example") == CalloutStatus::Temporary);
  CHECK(world.status("ann@dead.example") == CalloutStatus::NoAnswer);
}

TEST_CASE("callout: dropped connections and silent hosts are told apart") {
  ScriptedSmtp server([](SmtpPeer& peer) {
    peer.say("220 mx");
    for (std::string line; !(line = peer.hear()).empty();) {
      if (line == "RCPT TO:<drop@far.example>") return peer.reset();
      if (line == "RCPT TO:<hold@far.example>") return peer.hold();
      peer.say("250 2.0.0 Ok");
    }
  });
  FarWorld world(server);
  world.options.timeout = Duration{3'000};
  CHECK(world.status("drop@far.example") == CalloutStatus::Dropped);
  CHECK(world.status("hold@far.example") == CalloutStatus::NoAnswer);
  CHECK(world.status("ann@far.example") == CalloutStatus::Accepted);
}

TEST_CASE("callout: what the DNS says needs no server") {
  World world(25);
  world.dns.add("null.example MX", {"0 ."});
  world.dns.add("broken.example MX", {"servfail"});
  world.dns.add("slow.example MX", {"timeout"});
  world.dns.add("hostless.example MX", {"10 nowhere.example"});
  CHECK(world.status("ann@null.example") == CalloutStatus::Refused);
  CHECK(world.status("ann@nowhere.example") == CalloutStatus::Refused);
  CHECK(world.status("ann@broken.example") == CalloutStatus::ServFail);
  CHECK(world.status("ann@slow.example") == CalloutStatus::Timeout);
  CHECK(world.status("ann@hostless.example") == CalloutStatus::NoAnswer);
  CHECK(world.callout->counts().sessions == 0);
  // The resolver has its own memory of such things.
  const auto before = world.dns.queries();
  world.ask("ann@null.example");
  CHECK(world.dns.queries() > before);
}

TEST_CASE("callout: no private, reserved or own address is ever connected to") {
  ScriptedSmtp server(answering({}));
  World world(server.port());
  world.options.allow.clear();
  const char* const hosts[] = {"127.0.0.1",
                               "127.8.8.8",
                               "10.1.2.3",
                               "172.16.0.1",
                               "192.168.1.1",
                               "100.64.0.1",
                               "169.254.1.1",
                               "0.0.0.0",
                               "224.0.0.1",
                               "255.255.255.255",
                               "9.9.9.9",
                               "192.0.2.1",
                               "::1",
                               "::",
                               "::ffff:127.0.0.1",
                               "::ffff:10.0.0.1",
                               "fe80::1",
                               "fc00::1",
                               "ff02::1",
                               "2002:7f00:1::",
                               "64:ff9b::127.0.0.1",
                               "::127.0.0.1"};
  OneAddress dns;
  world.loop = std::move(*EventLoop::start("callout test"));
  world.callout = std::make_unique<SmtpCallout>(*world.loop, dns, world.clock, world.options);
  int number = 0;
  for (const std::string host : hosts) {
    INFO(host);
    const std::string domain = "d" + std::to_string(number++) + ".example";
    const bool is_v6 = host.find(':') != std::string::npos;
    dns.wanted = is_v6 ? DnsType::Aaaa : DnsType::A;
    dns.address = *IpAddress::parse(host);
    CHECK(world.status("ann@" + domain) == CalloutStatus::Undecided);
    CHECK(world.status("ann@plain." + domain) == CalloutStatus::Undecided);
    CHECK(world.status("ann@[" + (is_v6 ? "IPv6:" + host : host) + "]") ==
          CalloutStatus::Undecided);
  }
  CHECK(world.callout->counts().sessions == 0);
  CHECK(world.callout->counts().forbidden == 3u * std::size(hosts));
  CHECK(server.sessions() == 0);
}

TEST_CASE("callout: of several hosts the forbidden ones are left out; allow names exceptions") {
  ScriptedSmtp server(answering({}));
  World world(server.port());
  world.options.allow = {*Network::parse("127.0.0.1/32")};
  world.dns.add("far.example MX", {"5 private.far.example", "10 mx.far.example"});
  world.dns.add("private.far.example A", {"10.0.0.1"});
  world.dns.add("mx.far.example A", {"127.0.0.1"});
  CHECK(world.status("ann@far.example") == CalloutStatus::Accepted);
  CHECK(world.status("ann@[127.0.0.1]") == CalloutStatus::Accepted);
  CHECK(world.status("ann@[127.0.0.2]") == CalloutStatus::Undecided);
  CHECK(world.callout->counts().sessions == 2);
}

TEST_CASE("callout: who asks what is asked already waits for the same answer") {
  std::promise<void> go;
  const auto gone = go.get_future().share();
  ScriptedSmtp server([&](SmtpPeer& peer) {
    gone.wait_for(std::chrono::seconds(kPatienceSeconds));
    answering({})(peer);
  });
  FarWorld world(server);
  std::vector<std::future<CalloutAnswer>> answers;
  for (int i = 0; i < 20; ++i) answers.push_back(world.ask_later("ann@far.example"));
  go.set_value();
  for (auto& answer : answers) CHECK(answer.get().status == CalloutStatus::Accepted);
  CHECK(server.sessions() == 1);
  CHECK(world.callout->counts().joined == 19);
}

TEST_CASE("callout: a deadline is kept, the callout goes on and is known to the next who asks") {
  std::promise<void> go;
  const auto gone = go.get_future().share();
  ScriptedSmtp server([&](SmtpPeer& peer) {
    gone.wait_for(std::chrono::seconds(kPatienceSeconds));
    answering_recipient("550 5.1.1 who?")(peer);
  });
  FarWorld world(server);
  CHECK(world.ask("ann@far.example", Duration{50}).status == CalloutStatus::Timeout);
  CHECK(world.callout->counts().late == 1);
  CHECK(world.ask("ann@far.example", Duration{0}).status == CalloutStatus::Timeout);
  go.set_value();
  CHECK(world.status("ann@far.example") == CalloutStatus::Refused);
  CHECK(server.sessions() == 1);
}

TEST_CASE("callout: one server is not asked by more than a few sessions at once") {
  // Counted from the greeting until just before the last answer: the client's session is open all
  // that while, however late this server's threads run.
  std::atomic<int> open{0}, most{0};
  ScriptedSmtp server([&](SmtpPeer& peer) {
    const int now_open = ++open;
    for (int seen = most; seen < now_open && !most.compare_exchange_weak(seen, now_open);) {
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    for (const char* line : {"220 mx.far.example", "250 mx.far.example", "250 2.1.0 Ok"}) {
      peer.say(line);
      peer.hear();
    }
    --open;
    peer.say("250 2.1.5 Ok");
    peer.hear();
    peer.say("221 2.0.0 Bye");
  });
  World world(server.port());
  world.options.limits = {.sessions = 50, .per_target = 2, .per_minute = 100};
  std::vector<std::future<CalloutAnswer>> answers;
  for (int i = 0; i < 20; ++i) {
    const std::string domain = "d" + std::to_string(i) + ".example";
    world.dns.add(domain + " MX", {"10 mx.far.example"});
    world.dns.add("mx.far.example A", {"127.0.0.1"});
  }
  for (int i = 0; i < 20; ++i)
    answers.push_back(world.ask_later("ann@d" + std::to_string(i) + ".example"));
  for (auto& answer : answers) CHECK(answer.get().status == CalloutStatus::Accepted);
  CHECK(most <= 2);
  CHECK(server.sessions() == 20);
}

TEST_CASE("callout: a domain is asked so often a minute, then nothing is known of it") {
  ScriptedSmtp server(answering({}));
  FarWorld world(server);
  world.options.limits.per_minute = 3;
  for (int i = 0; i < 3; ++i)
    CHECK(world.status(std::to_string(i) + "@far.example") == CalloutStatus::Accepted);
  CHECK(world.status("4@far.example") == CalloutStatus::Budget);
  CHECK(world.status("1@far.example") == CalloutStatus::Accepted);  // known
  world.advance(minutes(1));
  CHECK(world.status("4@far.example") == CalloutStatus::Accepted);
  CHECK(server.sessions() == 4);
}

TEST_CASE("callout: who waits for others' sessions till its time is over was not refused") {
  ScriptedSmtp server([](SmtpPeer& peer) { peer.hold(); });
  World world(server.port());
  world.options.timeout = Duration{400};
  world.options.limits.sessions = 1;
  for (const char* domain : {"a.example", "b.example"})
    world.dns.add(std::string(domain) + " A", {"127.0.0.1"});
  auto first = world.ask_later("ann@a.example");
  auto second = world.ask_later("ann@b.example");
  CHECK(first.get().status == CalloutStatus::NoAnswer);
  const auto status = second.get().status;
  CHECK((status == CalloutStatus::Budget || status == CalloutStatus::NoAnswer));
}

TEST_CASE("callout: a flood of addresses at one dead host is bounded and ends together") {
  ScriptedSmtp server([](SmtpPeer& peer) { peer.hold(); });
  FarWorld world(server);
  world.options.timeout = Duration{5'000};
  world.options.limits.per_target = 2;
  std::vector<std::future<CalloutAnswer>> answers;
  for (std::size_t i = 0; i < kMaxCallouts + 100; ++i)
    answers.push_back(world.ask_later(std::to_string(i) + "@far.example"));
  std::size_t budget = 0, silent = 0;
  for (auto& answer : answers) {
    const auto status = answer.get().status;
    budget += status == CalloutStatus::Budget ? 1 : 0;
    silent += status == CalloutStatus::NoAnswer ? 1 : 0;
  }
  CHECK(budget + silent == kMaxCallouts + 100);
  CHECK(budget >= 100);
  CHECK(server.sessions() <= 2);
}

TEST_CASE("callout: whoever still waits at the end of the service is answered") {
  ScriptedSmtp server([](SmtpPeer& peer) { peer.hold(); });
  FarWorld world(server);
  auto answer = world.ask_later("ann@far.example");
  world.callout.reset();
  CHECK(answer.get().status == CalloutStatus::Timeout);
}
