// CaresResolver: look-ups at the configured servers, with own cache, deadlines and one question at
// a time per name.
//
// - Positive answers are kept for their TTL (at most a day), negative ones for the SOA's (at most
// 15 minutes, RFC 2308),
//   failures for a second (RFC 9520). The cache is bounded; a flood of names only pushes out other
//   names.
// - Who asks what is asked already waits for the same reply (single flight).
// - A deadline is kept whatever the servers do: the waiting one gets Timeout, a later reply still
// fills the cache.
// - At most kMaxInFlight questions are on the way at once, the others wait in a queue. One without
// a reply for kSlowAfter
//   gives its place away: domains whose servers are dead cannot hold up the rest (up to kMaxSlow of
//   them).
// - More than kMaxWaiting callers: the next get Timeout at once.
// - Each question carries RD, AD and EDNS; a server that answers FORMERR to EDNS is asked again
// without. DNSSEC is left to the resolver in front of us: `authenticated` is its AD bit, believe it
// of a local one only.
//
// Threads: query() from any thread. `done` comes inline for a cached answer or a name that cannot
// be, else on the resolver's own thread; it must return soon and not throw. The destructor answers
// what still waits with Timeout.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backends/dns_resolver.h"
#include "base/clock.h"
#include "base/result.h"

namespace sluice::backends {

inline constexpr std::size_t kMaxInFlight = 256;  // more replies at once overflow a UDP socket
inline constexpr std::size_t kMaxSlow = 8192;     // well below the 65,536 ids
inline constexpr std::chrono::milliseconds kSlowAfter{400};
inline constexpr std::size_t kMaxWaiting = 20000;  // callers
inline constexpr std::chrono::seconds kFailureTtl{1};

struct CaresOptions {
  std::vector<std::string> servers;  // ADDRESS or ADDRESS:PORT, "[::1]:53"; empty: /etc/resolv.conf
  Duration timeout{2000};            // of one try; the second and last waits twice as long
  int tries = 2;
  std::size_t cache_entries = 100'000;  // 0: no cache
};

// Counted since the start.
struct DnsCounts {
  std::uint64_t asked = 0;        // by callers
  std::uint64_t cached = 0;       // answered from the cache
  std::uint64_t joined = 0;       // waited for a question that was on its way
  std::uint64_t sent = 0;         // questions to servers
  std::uint64_t late = 0;         // callers whose deadline passed
  std::uint64_t failed = 0;       // questions that ended in ServFail or Timeout
  std::uint64_t turned_away = 0;  // over kMaxWaiting
  std::size_t entries = 0;        // in the cache now
};

class CaresResolver final : public DnsResolver {
 public:
  // clock: what deadlines are measured against; outlives the resolver. Error{Config}: a server that
  // is no address.
  static Result<std::unique_ptr<CaresResolver>> start(const CaresOptions& options,
                                                      const Clock& clock);
  ~CaresResolver() override;

  void query(const std::string& name, DnsType type, TimePoint deadline, DnsDone done) override;
  void forget(const std::string& name, DnsType type) override;

  DnsCounts counts() const;

 private:
  class Desk;  // what callers and the thread share
  CaresResolver(std::unique_ptr<Desk> desk, const Clock& clock);

  std::unique_ptr<Desk> desk_;
  const Clock& clock_;
};

}  // namespace sluice::backends
