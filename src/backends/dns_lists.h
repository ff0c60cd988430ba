// DnsLists: stands in front of the resolver for the DNS lists (RFC 5782) of the policy, and hands
// on what a list says only while the list can be believed. A list that cannot is answered for with
// DnsStatus::Breaker, at once: its facts are unknown, never a hit.
//
// - RFC 5782 5 gives every list entries to know it by: one of addresses holds 127.0.0.2 (in IPv6
//   ::FFFF:7F00:2) and not 127.0.0.1 (::FFFF:7F00:1), one of names holds TEST and not INVALID. They
//   are asked before the first use, every kTestEvery, after an outage, and when kHitsInARow
//   questions in a row were listed: a list that lists everything is off from then on, as is one
//   that has lost its entries, refuses us (its error range, 127.255.255.0/24) or was sold (an
//   answer outside 127/8). Each test asks afresh, not our cache. A right answer brings the list
//   back.
// - A list without test entries of its own has to be named as such: then only what it must not hold
//   is looked for.
// - kFailuresInARow questions without an answer: nobody asks the list for kSilence (the breaker);
//   then a test decides.
//
// All other names go straight to the resolver. Several lists with one zone (parts of one list by
// their answers) share its health.
//
// Threads: query() and the rest from any; a test runs beside the questions. Lifetime: answers that
// come later than its end are dropped with what they were for; the resolver outlives it.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/dns_resolver.h"
#include "base/clock.h"

namespace sluice::backends {

inline constexpr Duration kTestEvery{600'000};
inline constexpr Duration kTestAgainAfter{30'000};  // of one that gave no result
inline constexpr Duration kTestPatience{5'000};
inline constexpr Duration kSilence{300'000};
inline constexpr int kFailuresInARow = 10;
inline constexpr int kHitsInARow = 50;
// What a question must have waited so that its timeout says something about the list, not about us.
inline constexpr Duration kFairWait{200};
inline constexpr std::size_t kMaxLists = 1'000;  // zones; those beyond are asked without a test

struct DnsList {
  std::string zone;  // lower case, no final dot
  bool of_addresses = false, of_names = false;
  bool has_test_entries = true;
  std::vector<std::pair<IpAddress, IpAddress>> error;  // ranges that say: you may not ask
};

struct ListHealth {
  enum class State : std::uint8_t { Untested, Good, Off, Silent };
  std::string zone;
  State state = State::Untested;
  std::string why;     // of Off and Silent: one line for people
  TimePoint since{};   // of the state
  TimePoint tested{};  // the last test that gave a result; the epoch: none yet
  std::uint64_t asked = 0, listed = 0, withheld = 0;
};
std::string_view list_state_name(ListHealth::State state);  // "good"

class DnsLists final : public DnsResolver {
 public:
  DnsLists(DnsResolver& resolver, const Clock& clock);
  ~DnsLists() override;

  // The lists of the policy of the moment. What is known of one that stays is kept.
  void watch(const std::vector<DnsList>& lists);
  // Once a second or so: starts the tests that are due.
  void tick();

  void query(const std::string& name, DnsType type, TimePoint deadline, DnsDone done) override;
  void forget(const std::string& name, DnsType type) override;

  // By zone.
  std::vector<ListHealth> health() const;
  // Lists that went off, silent or good again since the last call, each change once.
  std::vector<ListHealth> take_changes();

 private:
  class Watch;
  std::shared_ptr<Watch> watch_;
};

}  // namespace sluice::backends
