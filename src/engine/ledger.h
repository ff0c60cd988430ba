// Ledger: what the sessions of one process share and change among themselves: the reservations they
// hold (to renew), refusals worth remembering, answers that are being delayed. Everything else of a
// session is its own.
//
// Threads: all functions from any thread.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "backends/state_store.h"
#include "base/clock.h"
#include "base/text.h"

namespace sluice::engine {

inline constexpr Duration kRenewEvery = backends::kReservationLease / 3;
inline constexpr Duration kDenyMemory{
    1'000};  // so soon `limits reset` and `grant`, of any host, are felt
inline constexpr std::size_t kMaxDenials = 100'000;  // remembered at once

class Ledger;

// One reservation among those that the ledger renews. Its owner keeps it where it is, and the key
// as it is, until it is dropped; one that ends is dropped.
class Lease {
 public:
  Lease() = default;
  ~Lease() { drop(); }
  void drop();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

 private:
  friend class Ledger;
  Ledger* ledger_ = nullptr;  // null: not held
  backends::ReservationId id_ = 0;
  const std::string* key_ = nullptr;
  Lease *before_ = nullptr, *behind_ = nullptr;
};

class Ledger {
 public:
  // --- reservations ---
  // Looks at the key until it is dropped; a lease that is held already stays as it is.
  void hold(Lease& lease, backends::ReservationId id, const std::string& key);
  // Renews every lease that is held. The service calls it every kRenewEvery, whether sessions have
  // events or not.
  void renew(backends::StateStore& store);
  std::size_t held() const;

  // --- deny memory ---
  // A blasting client is told again what the store said a moment ago. Only refusals by committed
  // use come here.
  void remember_denial(const backends::Reserve& asked, const backends::StateAnswer& answer,
                       TimePoint now);
  // The remembered refusal of at most as many units under the same windows; its wait is what is
  // left.
  std::optional<backends::StateAnswer> denial(const backends::Reserve& asked, TimePoint now);
  void forget_denials();

  // --- delays ---
  // False: `most` answers are being delayed already; answer at once.
  bool may_delay(Duration delay, TimePoint now, std::size_t most);

  // --- traces ---
  // False: `most` were made in this second already.
  bool may_trace(TimePoint now, std::size_t most);

 private:
  friend class Lease;
  void drop(Lease& lease);

  struct Denial {
    std::int64_t n = 1;
    std::vector<backends::Window> windows;
    std::optional<backends::Bucket> bucket;
    backends::StateAnswer answer;
    TimePoint at{};
  };
  // Every reservation comes here twice: sessions of different threads rarely meet at one of these.
  struct Shard {
    mutable std::mutex mutex;
    Lease* first = nullptr;
    std::size_t size = 0;
  };
  static constexpr std::size_t kShards = 16;
  Shard& shard_of(backends::ReservationId id) { return shards_[id % kShards]; }

  std::array<Shard, kShards> shards_;
  mutable std::mutex mutex_;  // of all below
  std::unordered_map<std::string, Denial, KeyedHash> denials_;
  std::atomic<bool> has_denials_{false};  // most of the time there are none to look for
  std::vector<TimePoint> delayed_until_;
  std::int64_t trace_second_ = 0;
  std::size_t traced_ = 0;
};

}  // namespace sluice::engine
