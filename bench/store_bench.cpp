// store_bench - what one operation of the embedded store costs, by kind, and how fast it opens
//
//   store_bench [ENTRIES]        100000 entries of each kind unless said
//
// Each line is one kind of operation: nanoseconds of processor time (and by the clock) for each,
// the mean of one thread that submits one operation at a time while the writer writes to a
// temporary folder. "stage" is what a RCPT with four limits and a greylist asks and settles.
#include <fmt/format.h>
#include <malloc.h>
#include <stdlib.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <random>
#include <thread>
#include <vector>

#include "backends/embedded_store.h"

using namespace sluice;
using namespace sluice::backends;

namespace {

using Monotonic = std::chrono::steady_clock;

// Of the calling thread: what a busy machine does not distort.
double cpu_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

double seconds_since(Monotonic::time_point start) {
  return std::chrono::duration<double>(Monotonic::now() - start).count();
}

void must_be(bool holds, const char* what) {
  if (holds) return;
  fmt::print(stderr, "store_bench: {}\n", what);
  std::exit(1);
}

struct Folder {
  std::filesystem::path path;
  Folder() {
    auto pattern = (std::filesystem::temp_directory_path() / "sluice-bench-XXXXXX").string();
    must_be(::mkdtemp(pattern.data()) != nullptr, "cannot make a folder");
    path = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

std::unique_ptr<EmbeddedStore> open_store(const Folder& folder, const Clock& clock) {
  auto store = EmbeddedStore::open(folder.path, clock);
  must_be(store.has_value(), "cannot open the store");
  return std::move(*store);
}

const std::vector<Window> kWindows{{1'000'000, Duration{60'000}},
                                   {1'000'000, Duration{86'400'000}}};
const Duration kDelay{300'000}, kDay{86'400'000};

std::string key_of(const char* kind, std::uint64_t i) {
  return fmt::format("{}/policy/limit/0123456789/{}", kind, i);
}

Reserve reserve_of(ReservationId id, std::string key) {
  Reserve op;
  op.id = id;
  op.name = key;
  op.key = std::move(key);
  op.windows = kWindows;
  return op;
}
Commit commit_of(const Reserve& op) {
  return {op.id, op.key, op.name, op.n, op.windows, op.bucket, op.distinct};
}

class Bench {
 public:
  explicit Bench(std::uint64_t entries) : entries_(entries) {}

  void run() {
    store_ = open_store(folder_, clock_);
    fmt::print("{} keys of each kind, windows 1m and 1d\n", entries_);
    const auto before = ::mallinfo2().uordblks;
    time(
        "commit, new key", [&](auto i) { return StateOp{commit_of(limit(i))}; }, entries_);
    report_memory("limit", before);
    time("reserve", [&](auto) { return StateOp{limit(random())}; });
    time("commit", [&](auto) { return StateOp{commit_of(limit(random()))}; });
    time("peek", [&](auto) { return StateOp{Peek{key_of("l", random()), 1, kWindows, {}, {}}}; });
    time("commit, distinct", [&](auto) {
      auto op = commit_of(limit(random() % 1000));
      op.key += "d";
      op.distinct = key_of("v", random() % 50);
      return StateOp{op};
    });
    const auto before_greylist = ::mallinfo2().uordblks;
    time(
        "greylist record, new key",
        [&](auto i) {
          return StateOp{GreylistRecord{key_of("g", i), key_of("g", i), kDay}};
        },
        entries_);
    report_memory("greylist entry", before_greylist);
    time("greylist look", [&](auto) {
      return StateOp{GreylistLook{key_of("g", random()), "", kDelay, kDay}};
    });
    time("greylist promote", [&](auto) {
      const auto key = key_of("g", random());
      return StateOp{GreylistPromote{key, key, kDay, "", 0, kDay}};
    });
    time(
        "list add",
        [&](auto i) {
          const auto address = IpAddress::from_v4(static_cast<std::uint32_t>(i * 2654435761U));
          const Network network(address, i % 2 ? 24 : 32);
          return StateOp{ListAdd{"banned", network.to_string(), network, kDay}};
        },
        entries_);
    time("list contains an address", [&](auto) {
      const auto address = IpAddress::from_v4(static_cast<std::uint32_t>(random() * 40503));
      return StateOp{ListContains{"banned", address.to_string(), address}};
    });
    time(
        "seen record",
        [&](auto i) {
          return StateOp{SeenRecord{key_of("s", i), kDay}};
        },
        entries_);
    time("seen", [&](auto) { return StateOp{Seen{key_of("s", random())}}; });
    time_stages();
    time_threads();
    time_show();
    time_open();
  }

 private:
  std::uint64_t random() { return random_() % entries_; }
  Reserve limit(std::uint64_t i) { return reserve_of(++next_id_, key_of("l", i)); }

  // The operations are made before the time is taken.
  void time(const char* what, const std::function<StateOp(std::uint64_t)>& make,
            std::uint64_t count = 200'000) {
    std::vector<std::vector<StateOp>> submissions;
    for (std::uint64_t i = 0; i < count; ++i) submissions.push_back({make(i)});
    submit_all(what, submissions, static_cast<double>(count));
    if (!store_->flush(Duration{60'000})) fmt::print("   not on disk after a minute\n");
  }

  void submit_all(const char* what, std::vector<std::vector<StateOp>>& submissions, double count) {
    const auto start = Monotonic::now();
    const auto cpu = cpu_seconds();
    for (auto& ops : submissions) store_->submit(std::move(ops), [](std::vector<StateAnswer>) {});
    fmt::print("{:<28}{:>8.0f} ns ({:.0f})\n", what, (cpu_seconds() - cpu) / count * 1e9,
               seconds_since(start) / count * 1e9);
  }

  void report_memory(const char* what, std::size_t before) {
    const auto bytes = ::mallinfo2().uordblks - before;
    fmt::print("{:<28}{:>8} bytes each\n", what, bytes / entries_);
  }

  std::vector<StateOp> stage() {
    std::vector<StateOp> ops;
    for (int i = 0; i < 4; ++i) ops.push_back(limit(random()));
    ops.push_back(GreylistLook{key_of("g", random()), "", kDelay, kDay});
    return ops;
  }
  static std::vector<StateOp> settlement(const std::vector<StateOp>& asked) {
    std::vector<StateOp> ops;
    for (const auto& op : asked) {
      if (const auto* reserve = std::get_if<Reserve>(&op)) ops.push_back(commit_of(*reserve));
    }
    return ops;
  }

  void time_stages() {
    std::vector<std::vector<StateOp>> submissions;
    constexpr int kCount = 30'000;
    for (int i = 0; i < kCount; ++i) {
      submissions.push_back(stage());
      submissions.push_back(settlement(submissions.back()));
    }
    submit_all("stage, asked and settled", submissions, kCount);
    store_->flush(Duration{60'000});
  }

  void time_threads() {
    constexpr int kThreads = 8, kEach = 50'000;
    std::vector<std::vector<Peek>> ops(kThreads);
    for (auto& of : ops) {
      for (int i = 0; i < kEach; ++i) of.push_back({key_of("l", random()), 1, kWindows, {}, {}});
    }
    const auto start = Monotonic::now();
    std::vector<std::thread> threads;
    for (auto& of : ops) {
      threads.emplace_back([&] {
        for (auto& op : of) store_->submit({std::move(op)}, [](std::vector<StateAnswer>) {});
      });
    }
    for (auto& thread : threads) thread.join();
    fmt::print("{:<28}{:>8.0f} ns\n", "peek, 8 threads, in all",
               seconds_since(start) / (kThreads * kEach) * 1e9);
  }

  // What one submission waits at most while somebody looks at everything.
  void time_show() {
    std::atomic<bool> done{false};
    double longest = 0;
    std::thread asking([&] {
      while (!done) {
        const auto start = Monotonic::now();
        store_->submit({Seen{"x"}}, [](std::vector<StateAnswer>) {});
        longest = std::max(longest, seconds_since(start));
      }
    });
    const auto start = Monotonic::now();
    StateQuery query;
    query.most_used_first = true;
    must_be(store_->show(query).size() == query.limit, "show shows too little");
    const auto took = seconds_since(start);
    done = true;
    asking.join();
    fmt::print("{:<28}{:>8.1f} ms, others wait {:.2f} ms at most\n", "top of all limits",
               took * 1e3, longest * 1e3);
  }

  void time_open() {
    const auto closing = Monotonic::now();
    store_.reset();
    fmt::print("{:<28}{:>8.1f} ms\n", "close", seconds_since(closing) * 1e3);
    const auto start = Monotonic::now();
    const auto cpu = cpu_seconds();
    store_ = open_store(folder_, clock_);
    fmt::print("{:<28}{:>8.1f} ms ({:.1f}; {}; {} MB)\n", "open all of it", (cpu_seconds() - cpu) * 1e3, seconds_since(start) * 1e3,
               store_->health().what, std::filesystem::file_size(folder_.path / "state.db") >> 20);
  }

  const std::uint64_t entries_;
  SystemClock clock_;
  Folder folder_;
  std::unique_ptr<EmbeddedStore> store_;
  std::mt19937_64 random_{1};
  ReservationId next_id_ = 0;
};

// One kind alone, as small sites have it.
void time_opening_a_greylist(std::uint64_t entries) {
  SystemClock clock;
  Folder folder;
  auto store = open_store(folder, clock);
  for (std::uint64_t i = 0; i < entries; ++i)
    store->submit({GreylistRecord{key_of("g", i), key_of("g", i), kDay}},
                  [](std::vector<StateAnswer>) {});
  store.reset();
  const auto start = Monotonic::now();
  const auto cpu = cpu_seconds();
  store = open_store(folder, clock);
  fmt::print("{:<28}{:>8.1f} ms ({:.1f})\n", fmt::format("open {} greylist entries", entries),
             (cpu_seconds() - cpu) * 1e3, seconds_since(start) * 1e3);
}

}  // namespace

int main(int argc, char** argv) {
  const auto entries = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100'000;
  if (entries == 0) {
    fmt::print(stderr, "usage: store_bench [ENTRIES]\n");
    return 64;
  }
  Bench(entries).run();
  time_opening_a_greylist(entries);
  return 0;
}
