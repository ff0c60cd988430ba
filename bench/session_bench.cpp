// session_bench - what the policy itself costs, without a wire: sessions of ten messages with two
// recipients are played to engine::Session in this process, decided by the embedded store.
//
//   session_bench POLICY.yaml [SESSIONS]
//
// Prints processor time and allocations for each message. `bench/run.py --policy RULES` writes the
// policy of the other rows; run this under a profiler to see where the time goes.
#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <new>

#include "backends/embedded_store.h"
#include "engine/ledger.h"
#include "engine/session.h"
#include "facts/fact.h"
#include "policy/policy_source.h"

using namespace sluice;

namespace {

std::atomic<std::uint64_t> allocations{0};

double cpu_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

[[noreturn]] void stop(const std::string& why) {
  fmt::print(stderr, "session_bench: {}\n", why);
  std::exit(1);
}

struct Figures final : engine::DecisionSink {
  std::uint64_t answers = 0;
  void decided(const engine::DecisionRecord&) override { ++answers; }
};

void require(const engine::Progress& progress) {
  if (!progress) stop("an answer was not there at once");
  if (progress->verdict.action != mail::Action::Continue) stop("a message did not pass");
}

constexpr int kMessages = 10, kRecipients = 2;

void play(const engine::Services& services, const policy::ProgramPtr& program, int n) {
  engine::Session session(services, program);
  mail::Connection connection;
  connection.client_ip = IpAddress::from_v4(0xB9AF3800u + static_cast<std::uint32_t>(n % 200));
  connection.client_name = fmt::format("mail{}.far.example", n % 200);
  connection.resolve = mail::ClientResolve::Ok;
  connection.server_name = "mx.here.example";
  require(session.connect(std::move(connection)));
  require(session.helo(fmt::format("mail{}.far.example", n % 200), {}));
  for (int m = 0; m < kMessages; ++m) {
    mail::Envelope envelope;
    envelope.sender_path = fmt::format("<sender{}@far{}.example>", m, n % 100);
    envelope.parameters = {"SIZE=1200"};
    require(session.mail_from(std::move(envelope), {}));
    for (int r = 0; r < kRecipients; ++r) {
      mail::Recipient recipient;
      recipient.path = fmt::format("<user{}@here.example>", (n * 7 + m + r) % 500);
      require(session.rcpt_to(std::move(recipient), "4bQz0x1Kzz"));
    }
    require(session.end_of_message("4bQz0x1Kzz"));
  }
}

}  // namespace

void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* place = std::malloc(size)) return place;
  throw std::bad_alloc();
}
void operator delete(void* place) noexcept { std::free(place); }
void operator delete(void* place, std::size_t) noexcept { std::free(place); }

int main(int argc, char** argv) {
  if (argc < 2) stop("usage: session_bench POLICY.yaml [SESSIONS]");
  const int sessions = argc > 2 ? std::atoi(argv[2]) : 2000;
  Diagnostics diagnostics;
  const auto source = policy::load_policy({argv[1]}, diagnostics);
  const auto program = policy::compile(source, facts::built_in_vocabulary(), {}, diagnostics);
  if (!program) stop(diagnostics.render());

  auto pattern = (std::filesystem::temp_directory_path() / "sluice-bench-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) stop("cannot make a folder");
  SystemClock clock;
  auto store = backends::EmbeddedStore::open(pattern, clock, {});
  if (!store) stop(store.error().what);
  engine::Ledger ledger;
  Figures figures;
  engine::Services services;
  services.clock = &clock;
  services.store = store->get();
  services.ledger = &ledger;
  services.sink = &figures;

  for (int n = 0; n < sessions / 10; ++n) play(services, program, n);  // warm
  const std::uint64_t allocated = allocations;
  const double started = cpu_seconds();
  for (int n = 0; n < sessions; ++n) play(services, program, n);
  const double used = cpu_seconds() - started;
  const double messages = static_cast<double>(sessions) * kMessages;
  fmt::print("{} rules, {} messages: {:.2f} us and {:.1f} allocations for each\n",
             program->rules().size(), messages, used / messages * 1e6,
             static_cast<double>(allocations - allocated) / messages);
  store->reset();
  std::error_code ignored;
  std::filesystem::remove_all(pattern, ignored);
}
