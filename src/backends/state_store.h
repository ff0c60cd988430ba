// StateStore: what Sluice remembers between sessions: limits, greylists, dynamic lists, values seen.
//
// All operations of one stage are submitted together and answered together, in order, as one atomic step where the
// store can (embedded: always; Redis: per subject). Reads do not change anything; what changes state has an identity, so
// that asking or settling twice changes nothing.
//
// Keys are opaque bytes made by engine/state_key (rule identity + normalised value); `name` is the readable form that
// `limits show` prints, empty when privacy switches it off. A store may hash keys, it never parses them.
//
// Time is the store's own (Redis: the server's). When its clock is set back, time goes on from where it was: a limit never
// lets more through for it, a delay never lasts longer.
//
// Threads: submit() may be called from any thread; `done` is called exactly once, on the caller's thread before submit()
// returns or later on another one. It must not throw and must return soon.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"

namespace sluice::backends {

inline constexpr std::size_t kMaxStateKey = 1024;   // bytes; longer keys are hashed before they come here
inline constexpr int kSubWindows = 60;              // of one sliding window
inline constexpr Duration kReservationLease{60'000};
// So long a store knows that an id was committed or released. A settled id is spent: reserving it again holds nothing
// (it answers as Peek would), settling it again changes nothing.
inline constexpr Duration kSettledMemory{120'000};
inline constexpr std::int64_t kMaxUnits = std::int64_t{1} << 53;  // of one operation; larger is cut, below 0 is 0
inline constexpr int kMaxAutoAfter = 1000;                        // larger is cut
inline constexpr std::size_t kMaxWindows = 16;                    // of one operation; more: not available

// At most `count` in any window of length `period`. Counted in kSubWindows sub-windows (backends/sub_window.h has the
// arithmetic): errs by refusing up to period/60 too long, never by letting one more through.
struct Window {
  std::int64_t count = 0;   // messages, recipients, bytes, …
  Duration period{0};
  bool operator==(const Window&) const = default;
};
// Token bucket: `capacity` at once, refilled with refill.count per refill.period, continuously.
struct Bucket {
  std::int64_t capacity = 0;
  Window refill;
  bool operator==(const Bucket&) const = default;
};

using ReservationId = std::uint64_t;  // unique for all times and instances; drawn by the engine

// Asks for n units and, when they fit, holds them until Commit, Release or the end of the lease.
// Fits means used + reserved + n <= count in every window (and in the bucket). With `distinct` the unit is a value: one
// already counted or held in the window always fits and costs nothing; n plays no part, a bucket ignores it.
// Asking again for what is held gives the same answer again.
// The windows' counts are not part of the state: raising a limit keeps its history. Each period has its own state.
struct Reserve {
  ReservationId id = 0;
  std::string key;
  std::string name;
  std::int64_t n = 1;
  std::vector<Window> windows;      // empty with a bucket; both empty: unlimited, answered as granted
  std::optional<Bucket> bucket;
  std::optional<std::string> distinct;
  bool even_if_exceeded = false;    // hold (and count) it although it does not fit: limits that only observe.
                                    // `granted` still says whether it did fit
};
// As Reserve, but nothing is held: would n more fit now?
struct Peek {
  std::string key;
  std::int64_t n = 1;
  std::vector<Window> windows;
  std::optional<Bucket> bucket;
  std::optional<std::string> distinct;
};
// Turns the reservation into use, counted at the time of the commit, even when the lease is gone (the store keeps the
// reservation's content as long as the engine repeats it here). `n` replaces the reserved amount.
struct Commit {
  ReservationId id = 0;
  std::string key;
  std::string name;
  std::int64_t n = 1;
  std::vector<Window> windows;
  std::optional<Bucket> bucket;
  std::optional<std::string> distinct;
};
struct Release {
  ReservationId id = 0;
  std::string key;
};
// Extends the lease of a held reservation to now + kReservationLease. Not granted: it is not held (any more).
struct Renew {
  ReservationId id = 0;
  std::string key;
};

// Where a greylist entry stands. Nothing is written.
struct GreylistLook {
  std::string key;
  std::string auto_key;             // empty: no auto_allow
  Duration delay{0};
  Duration retry_within{0};
};
// The weak deferral was really answered: remembers the first contact. An entry that waits already keeps its time;
// one older than retry_within starts anew.
struct GreylistRecord {
  std::string key;
  std::string name;
  Duration retry_within{0};
};
// The message was accepted after the delay (or the entry had passed before), or an administrator lets it pass: pass for
// `remember` from now, or as long as before if that is longer; counts the entry so long for auto_key, which passes for
// `auto_for` once `auto_after` (kMaxAutoAfter at most) entries count; each further promotion renews auto_for.
struct GreylistPromote {
  std::string key;
  std::string name;
  Duration remember{0};
  std::string auto_key;
  int auto_after = 0;
  Duration auto_for{0};
};

// Dynamic lists. With an address, a list entry that is a network containing it is a hit too.
struct ListContains {
  std::string list;
  std::string value;                // normalised text of the value
  std::optional<IpAddress> address;
};
struct ListAdd {
  std::string list;
  std::string value;
  std::optional<Network> network;   // for lists of type cidr
  std::optional<Duration> keep;     // none: until removed; adding again restarts the time
};
struct ListRemove {
  std::string list;
  std::string value;
};

// Values seen before (`seen`, client.first_seen).
struct Seen {
  std::string key;
};
struct SeenRecord {
  std::string key;
  Duration keep{0};                 // forgotten this long after the last record
};

using StateOp = std::variant<Reserve, Peek, Commit, Release, Renew, GreylistLook, GreylistRecord, GreylistPromote,
                             ListContains, ListAdd, ListRemove, Seen, SeenRecord>;

enum class GreylistState : std::uint8_t {
  Unknown,       // never seen, or too long ago
  Waiting,       // the delay is not over
  Ready,         // the delay is over, passes now, not yet promoted
  Passed,        // promoted before and remembered
  AutoAllowed,   // its auto_key passes
};

// One answer per operation; which fields count depends on the operation.
struct StateAnswer {
  bool available = true;            // false: the store is away or too slow, nothing is known
  bool unsure = false;              // a write may or may not have happened; never repeat it
  // Reserve, Peek; Renew (granted only)
  bool granted = true;
  std::size_t exceeded = 0;         // index of the first window that refused (bucket: 0)
  // Not granted: until n would fit if nobody else came (leases end, nothing is committed), the largest over all
  // windows; what never fits (n above the count) says the length of the window.
  // GreylistLook, Unknown or Waiting: what is left of the delay.
  Duration wait{0};
  std::int64_t used = 0;            // committed use in the first window that refused, else in the first window
  bool by_committed_use = false;    // refused by committed use alone for all of `wait`: safe to remember
  // GreylistLook
  GreylistState greylist = GreylistState::Unknown;
  // ListContains
  bool contained = false;
  // Seen
  std::optional<TimePoint> first_seen, last_seen;
};

using StateDone = std::function<void(std::vector<StateAnswer>)>;

// What `limits show`, `greylist show` and `list show` print. A limit has one entry for each period; of a list entry
// the key is the list and the name the value.
struct StateEntry {
  enum class Kind : std::uint8_t { Limit, Greylist, List, Seen } kind;
  std::string key;
  std::string name;
  std::int64_t used = 0, reserved = 0;
  Duration period{0};               // of the window shown
  TimePoint first{}, expires{};
  std::string state;                // "waiting", "passed", …
};
struct StateQuery {
  StateEntry::Kind kind = StateEntry::Kind::Limit;
  std::string filter;               // substring of the name, or the whole key; empty: all
  std::size_t limit = 100;          // so many at most, in order of their names
  bool most_used_first = false;     // `limits top`: in order of their use instead
};

struct StateHealth {
  bool available = true;
  bool degraded = false;            // it answers, but not all is well: `what` says what
  std::uint64_t errors = 0;         // of its disk or servers since the start
  std::string what;                 // "embedded, 1,234 limits, 18 greylist entries, written 20 ms ago"
};

class StateStore {
 public:
  virtual ~StateStore() = default;
  virtual void submit(std::vector<StateOp> ops, StateDone done) = 0;
  // `done` is always called before submit() returns: nothing of it is ever given up.
  virtual bool answers_at_once() const { return false; }
  virtual std::vector<StateEntry> show(const StateQuery& query) = 0;
  // Forgets every entry of that kind that a query with `filter` would show (limits reset, greylist forget); what is
  // reserved at this moment stays reserved. Returns how many entries.
  virtual std::size_t forget(StateEntry::Kind kind, const std::string& filter) = 0;
  // Gives every limit that a query with `filter` would show `extra` units more than its count (a bucket: its capacity)
  // for `keep` from now; again replaces, 0 ends it. Returns how many entries.
  virtual std::size_t grant(const std::string& filter, std::int64_t extra, Duration keep) = 0;
  virtual StateHealth health() const = 0;
  // Waits until everything submitted so far is where it is kept; false when it is not by then.
  virtual bool flush(Duration /*most*/) { return true; }
};

}  // namespace sluice::backends
