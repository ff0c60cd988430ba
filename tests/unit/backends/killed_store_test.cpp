// Processes that are killed and machines that lose power: what was on disk is there again, and the
// file is sound. SLUICE_STORE_KILLS and SLUICE_STORE_IMAGES give the numbers (scripts/prove-store).
#include <signal.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <thread>

#include "store_worlds.h"

namespace sluice::backends {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

const std::vector<Window> kDay{{1'000'000'000, hours(24)}};

std::string seen_key(std::uint64_t i) { return "value " + std::to_string(i); }

// Submission i: value i is seen, and counts in a limit.
void submit_one(StateStore& store, std::uint64_t i) {
  Commit count;
  count.id = i;
  count.key = count.name = "total";
  count.windows = kDay;
  store.submit({SeenRecord{seen_key(i), hours(24)}, count}, [](std::vector<StateAnswer>) {});
}

bool is_seen(StateStore& store, std::uint64_t i) {
  return ask(store, Seen{seen_key(i)}).first_seen.has_value();
}

std::string integrity(const std::filesystem::path& folder) {
  sqlite3* db = nullptr;
  sqlite3_open((folder / "state.db").c_str(), &db);
  std::string result;
  const auto take = [](void* to, int, char** columns, char**) {
    *static_cast<std::string*>(to) += columns[0];
    return 0;
  };
  if (sqlite3_exec(db, "PRAGMA integrity_check", take, &result, nullptr) != SQLITE_OK)
    result = sqlite3_errmsg(db);
  sqlite3_close(db);
  return result;
}

using Monotonic = std::chrono::steady_clock;

// What the child did, in memory that outlives it.
struct Ledger {
  static constexpr std::uint64_t kMostOperations = 200'000;  // of one child
  std::atomic<bool> opened;
  std::atomic<std::uint64_t> submitted, written;
  std::atomic<std::int64_t> submitted_at[kMostOperations + 1];
};

class SharedLedger {
 public:
  SharedLedger()
      : ledger_(static_cast<Ledger*>(::mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE,
                                            MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  ~SharedLedger() { ::munmap(ledger_, sizeof(Ledger)); }
  SharedLedger(const SharedLedger&) = delete;
  SharedLedger& operator=(const SharedLedger&) = delete;
  Ledger* operator->() { return ledger_; }

 private:
  Ledger* ledger_;
};

[[noreturn]] void be_the_child(const std::filesystem::path& folder, std::uint64_t first,
                               SharedLedger& ledger) {
  SystemClock clock;
  auto store = EmbeddedStore::open(folder, clock);
  if (!store) ::_exit(3);
  ledger->opened = true;
  for (std::uint64_t n = 1; n <= Ledger::kMostOperations; ++n) {
    ledger->submitted_at[n] = Monotonic::now().time_since_epoch().count();
    submit_one(**store, first + n - 1);
    ledger->submitted = n;
    ledger->written = (*store)->progress().written;
    if (n % 16 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  for (;;) ::pause();
}

// How long what was lost had waited, at the most.
Duration lost_window(SharedLedger& ledger, Monotonic::time_point killed_at) {
  const auto first_lost = ledger->written + 1;
  if (first_lost > ledger->submitted) return Duration{0};
  const Monotonic::time_point submitted_at{Monotonic::duration{ledger->submitted_at[first_lost]}};
  return std::chrono::duration_cast<Duration>(killed_at - submitted_at);
}

TEST_CASE(
    "embedded store: a killed process loses only what was not written yet, and never damages the "
    "file") {
  const auto kills = from_environment("SLUICE_STORE_KILLS", 50);
  TemporaryFolder folder;
  SharedLedger ledger;
  std::mt19937_64 random(from_environment("SLUICE_STORE_SEED", 1));
  std::uint64_t first = 1, surely_counted = 0, submitted = 0;
  std::vector<Duration> lost, lived;
  for (std::uint64_t kill = 0; kill < kills; ++kill) {
    CAPTURE(kill);
    ledger->opened = false;
    ledger->submitted = ledger->written = 0;
    const auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) be_the_child(folder.path(), first, ledger);
    while (!ledger->opened && ::waitpid(child, nullptr, WNOHANG) == 0) std::this_thread::yield();
    const auto opened_at = Monotonic::now();
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 80'000));
    ::kill(child, SIGKILL);
    const auto killed_at = Monotonic::now();
    ::waitpid(child, nullptr, 0);
    REQUIRE(ledger->opened);
    lost.push_back(lost_window(ledger, killed_at));
    lived.push_back(std::chrono::duration_cast<Duration>(killed_at - opened_at));

    SystemClock clock;
    const auto store = open_store(folder.path(), clock);
    for (std::uint64_t i = first; i < first + ledger->written; ++i) REQUIRE(is_seen(*store, i));
    surely_counted += ledger->written;
    submitted += ledger->submitted + 1;  // one may have been on its way
    const auto counted = ask(*store, peek(reserve(0, "total", kDay))).used;
    REQUIRE(counted >= static_cast<std::int64_t>(surely_counted));
    REQUIRE(counted <= static_cast<std::int64_t>(submitted));
    surely_counted = static_cast<std::uint64_t>(counted);
    submitted = surely_counted;
    first += ledger->submitted + 1;
  }
  CHECK(integrity(folder.path()) == "ok");
  CHECK(first > 10 * kills);
  std::sort(lost.begin(), lost.end());
  std::sort(lived.begin(), lived.end());
  const auto median = lost[lost.size() / 2], worst = lost.back(), life = lived[lived.size() / 2];
  CAPTURE(median.count(), worst.count(), life.count());
  // The promise is 50 ms; a machine that is busy with other things may not run the writer for
  // longer, nor end the child after the 40 ms that it is meant to live.
  CHECK(median <= std::max(ms(50), life));
  CHECK(worst <= s(30));
  if (std::getenv("SLUICE_STORE_KILLS"))
    WARN("lost at most the last " << median.count() << " ms (median), " << worst.count()
                                  << " ms (worst), of " << kills << " kills, " << first - 1
                                  << " submissions");
}

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// What a disk may hold after power loss: the file as it was synced last, and of the log that was
// not synced since any part, with what was there before in between.
std::string after_power_loss(std::string log, std::mt19937_64& random) {
  constexpr std::size_t kSector = 512;
  if (random() % 2) log.resize(random() % (log.size() + 1));
  for (auto damaged = random() % 4; damaged > 0 && log.size() > kSector; --damaged) {
    const auto sector = random() % (log.size() / kSector) * kSector;
    for (std::size_t i = 0; i < kSector; ++i)
      log[sector + i] = static_cast<char>(random() % 3 == 0 ? random() : 0);
  }
  return log;
}

EmbeddedOptions quick_writes() {
  EmbeddedOptions options;
  options.write_interval = ms(1);
  return options;
}

TEST_CASE("embedded store: whatever power loss leaves of the log opens as a state that was") {
  const auto images = from_environment("SLUICE_STORE_IMAGES", 40);
  constexpr std::uint64_t kOperations = 400;
  VirtualClock clock{kStart};
  TemporaryFolder folder;
  const auto store = open_store(folder.path(), clock, quick_writes());
  for (std::uint64_t i = 1; i <= kOperations; ++i) {
    submit_one(*store, i);
    if (i % 10 == 0) REQUIRE(store->flush(s(90)));
  }
  const auto file = content_of(folder.path() / "state.db"),
             log = content_of(folder.path() / "state.db-wal");
  REQUIRE(log.size() > 100'000);
  std::mt19937_64 random(from_environment("SLUICE_STORE_SEED", 1));
  std::uint64_t cut_short = 0;
  for (std::uint64_t image = 0; image < images; ++image) {
    CAPTURE(image);
    TemporaryFolder restored;
    std::ofstream(restored.path() / "state.db", std::ios::binary) << file;
    std::ofstream(restored.path() / "state.db-wal", std::ios::binary)
        << after_power_loss(log, random);
    std::uint64_t known = 0;
    {
      const auto again = open_store(restored.path(), clock);
      while (is_seen(*again, known + 1)) ++known;
      for (auto i = known + 1; i <= kOperations; ++i) REQUIRE_FALSE(is_seen(*again, i));
      REQUIRE(ask(*again, peek(reserve(0, "total", kDay))).used ==
              static_cast<std::int64_t>(known));
      submit_one(*again, kOperations + 1);
    }
    REQUIRE(integrity(restored.path()) == "ok");
    if (known < kOperations) ++cut_short;
  }
  CHECK(cut_short > images / 4);
}

}  // namespace
}  // namespace sluice::backends
