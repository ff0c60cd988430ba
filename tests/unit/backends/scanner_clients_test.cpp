// Clients of scanners against servers that do what no good server does. Deadlines are generous
// where something has to happen and short where nothing may.
#include "backends/scanner_clients.h"

#include <future>

#include "../../free_port.h"
#include "scripted_server.h"

using namespace sluice;
using namespace sluice::backends;
using std::chrono::steady_clock;

namespace {

constexpr Duration kLong{90'000};
const std::string kSpam =
    "SPAMD/1.1 0 EX_OK\r\nContent-length: 5\r\nSpam: True ; 7.5 / 5.0\r\n\r\nGTUBE";
const std::string kClean("stream: OK\0", 11);

struct Site {
  SystemClock clock;
  std::unique_ptr<EventLoop> loop = std::move(*EventLoop::start("scan test"));
  std::vector<std::string> lines;  // of the log; read after health() or an answer
  std::mutex mutex;

  ScannerOptions options(std::vector<Endpoint> addresses) {
    ScannerOptions o;
    o.addresses = std::move(addresses);
    o.timeout = kLong;
    o.connect_timeout = kLong;
    o.tell = [this](bool, const std::string& line) {
      const std::lock_guard lock(mutex);
      lines.push_back(line);
    };
    return o;
  }
  std::size_t told() {
    const std::lock_guard lock(mutex);
    return lines.size();
  }
};

template <class Answer>
std::unique_ptr<Scan<Answer>> begin(Scanner<Answer>& scanner) {
  return scanner.begin(std::make_shared<ScanEnvelope>());
}

template <class Answer>
Answer finish(Scan<Answer>& scan, Duration within = kLong) {
  auto answer = std::make_shared<std::promise<Answer>>();
  scan.finish(SystemClock().now() + within,
              [answer](Answer a) { answer->set_value(std::move(a)); });
  return answer->get_future().get();
}

SpamAnswer ask(SpamScanner& scanner, Duration within = kLong) {
  const auto scan = begin(scanner);
  scan->feed("Subject: x\r\n\r\n");
  scan->feed("body\r\n");
  return finish(*scan, within);
}

VirusAnswer ask(VirusScanner& scanner, Duration within = kLong) {
  const auto scan = begin(scanner);
  scan->feed("Subject: x\r\n\r\nbody\r\n");
  return finish(*scan, within);
}

Endpoint nobody() {  // a port that nobody listens on, nor will
  return *parse_endpoint("127.0.0.1:" + std::to_string(sluice::testing::free_port()));
}

}  // namespace

TEST_CASE("a spam scanner gets the whole message, and its answer comes back") {
  Site site;
  std::string got;
  ScriptedServer server([&](Peer& peer) {
    got = peer.read_until("body\r\n");
    peer.write(kSpam);
  });
  const auto client =
      make_spam_client(*site.loop, site.clock, "spamd", site.options({server.endpoint}));
  const SpamAnswer answer = ask(*client);
  CHECK(answer.available);
  CHECK(answer.score == 7.5);
  CHECK(answer.symbols == std::vector<std::string>{"GTUBE"});
  CHECK(got ==
        "SYMBOLS SPAMC/1.5\r\nContent-length: 37\r\n\r\nReturn-Path: <>\r\nSubject: "
        "x\r\n\r\nbody\r\n");
  CHECK(client->health().scanned == 1);
}

TEST_CASE("what is longer than the spam scanner is given is cut, and the length says so") {
  Site site;
  std::string got;
  ScriptedServer server([&](Peer& peer) {
    got = peer.read_until("END");
    peer.write(kSpam);
  });
  auto options = site.options({server.endpoint});
  options.message_bytes = 10;
  const auto client = make_spam_client(*site.loop, site.clock, "rspamd", options);
  const auto scan = begin<SpamAnswer>(*client);
  CHECK(scan->feed("1234567"));
  CHECK_FALSE(scan->feed("END and more"));
  CHECK_FALSE(scan->feed("more"));
  CHECK_FALSE(finish(*scan).available);  // that was spamd's answer, not rspamd's
  CHECK(got.substr(got.size() - 14) == "\r\n\r\n1234567END");
  CHECK(got.find("Content-Length: 10\r\n") != std::string::npos);
}

TEST_CASE("a scanner that is not there, or says nonsense, is away and never clean") {
  Site site;
  const std::vector<std::pair<const char*, std::function<void(Peer&)>>> scripts = {
      {"garbage", [](Peer& p) { p.read_some(), p.write(std::string(1000, '\xff')); }},
      {"half a reply", [](Peer& p) { p.read_some(), p.write(kSpam.substr(0, kSpam.size() - 2)); }},
      {"nothing", [](Peer& p) { p.read_some(); }},
      {"reset", [](Peer& p) { p.read_some(), p.reset(); }},
      {"reset at once", [](Peer& p) { p.reset(); }},
      {"endless",
       [](Peer& p) {
         p.read_some();
         p.write("HTTP/1.1 200 OK\r\n\r\n");
         while (p.write(std::string(65536, ' ')) && !p.is_stopped()) {
         }
       }},
  };
  for (const auto& [name, script] : scripts) {
    INFO(name);
    ScriptedServer server(script);
    for (const char* engine : {"spamd", "rspamd"}) {
      const auto client =
          make_spam_client(*site.loop, site.clock, engine, site.options({server.endpoint}));
      CHECK_FALSE(ask(*client).available);
      CHECK(client->health().addresses[0].failed == 1);
    }
    const auto clamd = make_virus_client(*site.loop, site.clock, site.options({server.endpoint}));
    CHECK_FALSE(ask(*clamd).available);
  }
  const auto client = make_spam_client(*site.loop, site.clock, "spamd", site.options({nobody()}));
  CHECK_FALSE(ask(*client).available);
  CHECK(client->health().addresses[0].what == "connection refused");
}

TEST_CASE("a scanner that hangs or drips is waited for until the deadline and no longer") {
  Site site;
  ScriptedServer hanging([](Peer& p) { p.hang(); });
  ScriptedServer dripping([](Peer& p) {
    p.read_some();
    for (const char c : std::string(kSpam)) {
      if (p.is_stopped() || !p.write({&c, 1})) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  });
  for (const Endpoint& at : {hanging.endpoint, dripping.endpoint}) {
    const auto client = make_spam_client(*site.loop, site.clock, "spamd", site.options({at}));
    const auto start = steady_clock::now();
    CHECK_FALSE(ask(*client, Duration{200}).available);
    CHECK(steady_clock::now() - start >= std::chrono::milliseconds(190));
    CHECK(steady_clock::now() - start < kLong / 2);
    CHECK(client->health().unscanned == 1);
  }
}

TEST_CASE("the next address is asked when one fails, and they take turns") {
  Site site;
  ScriptedServer good([](Peer& p) { p.read_until("body\r\n"), p.write(kSpam); });
  ScriptedServer bad([](Peer& p) { p.reset(); });
  auto options = site.options({bad.endpoint, good.endpoint, nobody()});
  options.failures = 100;
  const auto client = make_spam_client(*site.loop, site.clock, "spamd", options);
  for (int i = 0; i < 6; ++i) CHECK(ask(*client).available);
  CHECK(good.connections == 6);
  CHECK(bad.connections > 0);
  CHECK(client->health().addresses[2].failed > 0);
}

TEST_CASE(
    "an address that fails in a row is left alone, tried again later, and told once each way") {
  Site site;
  std::atomic<bool> is_well{false};
  ScriptedServer server([&](Peer& p) {
    if (!is_well) return p.reset();
    p.read_until("body\r\n");
    p.write(kSpam);
  });
  auto options = site.options({server.endpoint});
  options.away_for = kLong;
  {
    const auto client = make_spam_client(*site.loop, site.clock, "spamd", options);
    for (int i = 0; i < 10; ++i) CHECK_FALSE(ask(*client).available);
    CHECK(server.connections == 3);
    CHECK(client->health().addresses[0].away);
    CHECK(site.told() == 1);
  }
  options.away_for = Duration{300};
  const auto client = make_spam_client(*site.loop, site.clock, "spamd", options);
  while (!client->health().addresses[0].away) CHECK_FALSE(ask(*client).available);
  is_well = true;
  const auto until = steady_clock::now() + kLong;
  while (!ask(*client).available && steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK_FALSE(client->health().addresses[0].away);
  CHECK(ask(*client).available);
  CHECK(site.told() == 3);
}

TEST_CASE("more messages than connections wait their turn, more than the queue takes do not") {
  Site site;
  std::atomic<int> open{0}, most{0};
  std::atomic<bool> go{false};
  ScriptedServer server([&](Peer& p) {
    const int now = ++open;
    for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
    }
    p.read_until("x");
    while (!go && !p.is_stopped()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    --open;
    p.write(kSpam);
  });
  auto options = site.options({server.endpoint});
  options.connections = 2;
  options.waiting = 3;
  const auto client = make_spam_client(*site.loop, site.clock, "spamd", options);
  std::vector<std::unique_ptr<SpamScan>> scans;
  std::vector<std::future<bool>> answers;
  for (int i = 0; i < 7; ++i) {
    scans.push_back(begin<SpamAnswer>(*client));
    scans.back()->feed("x");
    auto answer = std::make_shared<std::promise<bool>>();
    answers.push_back(answer->get_future());
    scans.back()->finish(site.clock.now() + kLong,
                         [answer](SpamAnswer a) { answer->set_value(a.available); });
  }
  // The last two are turned away at once.
  CHECK_FALSE(answers[6].get());
  CHECK_FALSE(answers[5].get());
  CHECK(client->health().waiting == 3);
  scans[2].reset();  // gives its place in the queue up
  go = true;
  for (const int i : {0, 1, 3, 4}) CHECK(answers[static_cast<std::size_t>(i)].get());
  CHECK(most <= 2);
}

TEST_CASE("clamd gets a long message while it comes, and no more than the buffer is held") {
  Site site;
  std::atomic<std::size_t> got{0};
  std::atomic<bool> may_read{false};
  ScriptedServer server([&](Peer& p) {
    while (!may_read && !p.is_stopped()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    for (std::string end; !p.is_stopped();) {
      const std::string bytes = p.read_some();
      got += bytes.size();
      end += bytes.substr(bytes.size() - std::min<std::size_t>(bytes.size(), 4));
      end = end.substr(end.size() - std::min<std::size_t>(end.size(), 4));
      if (end == std::string(4, '\0') || bytes.empty()) break;
    }
    p.write(kClean);
  });
  auto options = site.options({server.endpoint});
  options.window_bytes = 128 * 1024;
  const auto client = make_virus_client(*site.loop, site.clock, options);
  const auto scan = begin<VirusAnswer>(*client);
  const std::string piece(32 * 1024, 'x');
  constexpr int kPieces = 640;  // 20 MB: far more than the sockets take
  int pauses = 0;
  for (int i = 0; i < kPieces; ++i) {
    REQUIRE(scan->feed(piece));
    std::promise<void> room;
    if (!scan->await_room([&] { room.set_value(); })) continue;
    ++pauses;
    may_read = true;
    REQUIRE(room.get_future().wait_for(kLong) == std::future_status::ready);
  }
  CHECK(pauses > 0);
  const VirusAnswer answer = finish(*scan);
  CHECK(answer.available);
  CHECK_FALSE(answer.name.has_value());
  CHECK(got == 10 + kPieces * (piece.size() + 4) + 4);
}

TEST_CASE(
    "a session that does not wait for a slow clamd gets no answer, and no memory is used for it") {
  Site site;
  ScriptedServer server([](Peer& p) { p.hang(); });
  auto options = site.options({server.endpoint});
  options.window_bytes = 64 * 1024;
  const auto client = make_virus_client(*site.loop, site.clock, options);
  const auto scan = begin<VirusAnswer>(*client);
  bool is_read = true;
  for (int i = 0; i < 2000 && is_read; ++i) is_read = scan->feed(std::string(32 * 1024, 'x'));
  CHECK_FALSE(is_read);
  CHECK_FALSE(finish(*scan).available);
}

TEST_CASE("clamd dies in mid-message: a short one goes to the next, a long one has no answer") {
  Site site;
  ScriptedServer dying([](Peer& p) { p.read_until("zINSTREAM"), p.reset(); });
  ScriptedServer good(
      [](Peer& p) { p.read_until(std::string_view("\0\0\0\0", 4)), p.write(kClean); });
  auto options = site.options({dying.endpoint, good.endpoint});
  options.window_bytes = 64 * 1024;
  options.failures = 100;
  const auto client = make_virus_client(*site.loop, site.clock, options);
  CHECK(ask(*client).available);
  CHECK(ask(*client).available);
  CHECK(dying.connections > 0);
  auto alone = options;
  alone.addresses = {dying.endpoint};
  const auto other = make_virus_client(*site.loop, site.clock, alone);
  const auto scan = begin<VirusAnswer>(*other);
  for (int i = 0; i < 100; ++i) {
    scan->feed(std::string(32 * 1024, 'x'));
    std::promise<void> room;
    if (scan->await_room([&] { room.set_value(); })) room.get_future().wait_for(kLong);
  }
  CHECK_FALSE(finish(*scan).available);
}

TEST_CASE("clamd that takes no message of that size is not away") {
  Site site;
  ScriptedServer server([](Peer& p) {
    p.read_until(std::string_view("\0\0\0\0", 4));
    p.write(std::string("INSTREAM size limit exceeded. ERROR\0", 36));
  });
  const auto client = make_virus_client(*site.loop, site.clock, site.options({server.endpoint}));
  for (int i = 0; i < 5; ++i) CHECK_FALSE(ask(*client).available);
  CHECK(client->health().addresses[0].failed == 0);
  CHECK(server.connections == 5);
}

TEST_CASE("scans that are dropped, and a client that is closed in mid-scan, leave nothing behind") {
  Site site;
  ScriptedServer server([](Peer& p) { p.hang(); });
  auto client = make_spam_client(*site.loop, site.clock, "spamd", site.options({server.endpoint}));
  begin<SpamAnswer>(*client)->feed("x");
  const auto scan = begin<SpamAnswer>(*client);
  auto answer = std::make_shared<std::promise<bool>>();
  scan->finish(site.clock.now() + kLong,
               [answer](SpamAnswer a) { answer->set_value(a.available); });
  client.reset();
  CHECK_FALSE(answer->get_future().get());
}
