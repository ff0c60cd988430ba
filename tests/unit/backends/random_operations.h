// Random operations on few keys, so that they meet each other: the same ids again, the same values,
// several windows, settlements without reservations. The same seed gives the same operations.
#pragma once
#include <fmt/format.h>

#include <random>

#include "store_testing.h"

namespace sluice::backends {

class RandomOperations {
 public:
  explicit RandomOperations(std::uint64_t seed) : random_(seed) {}

  std::size_t below(std::size_t n) { return random_() % n; }
  bool one_in(std::size_t n) { return below(n) == 0; }

  std::vector<StateOp> submission() {
    std::vector<StateOp> ops;
    for (auto n = 1 + below(4); n > 0; --n) ops.push_back(operation());
    return ops;
  }

  // Mostly a little, sometimes to the end of leases and windows, rarely an hour to and fro.
  Duration step() {
    const auto kind = below(200);
    if (kind == 0) return ms(static_cast<std::int64_t>(below(7'200'001)) - 3'600'000);
    if (kind < 20) return ms(static_cast<std::int64_t>(below(90'000)));
    if (kind < 100) return ms(static_cast<std::int64_t>(below(700)));
    return ms(0);
  }

  StateOp operation() {
    switch (below(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        return limit();
      case 5:
      case 6:
      case 7:
        return commit(limit());
      case 8:
        return release(limit());
      case 9:
        return one_in(2) ? StateOp{renew(limit())} : StateOp{peek(limit())};
      case 10:
        return GreylistLook{key("g", 9), one_in(2) ? "" : key("auto", 2), minutes(5),
                            retry_within()};
      case 11:
        return GreylistRecord{key("g", 9), "entry", retry_within()};
      case 12:
        if (one_in(3))
          return GreylistPromote{key("g", 9), "entry", hours(3), key("auto", 2), 3, hours(1)};
        if (one_in(4))
          return GreylistPromote{key("g", 9), "entry", one_in(2) ? hours(9) : hours(1), "", 0, {}};
        return GreylistLook{key("g", 9), key("auto", 2), minutes(5), retry_within()};
      case 13:
        return ListContains{key("list", 2), value(), IpAddress::parse(address())};
      case 14:
        if (one_in(3)) return ListRemove{key("list", 2), value()};
        return ListAdd{key("list", 2), value(), network(), keep()};
      default:
        if (one_in(2)) return Seen{key("seen", 6)};
        return SeenRecord{key("seen", 6), one_in(2) ? minutes(20) : hours(2)};
    }
  }

 private:
  std::string key(const char* prefix, std::size_t n) {
    return fmt::format("{}{}", prefix, below(n));
  }
  Duration retry_within() { return one_in(2) ? minutes(10) : hours(1); }
  std::optional<Duration> keep() {
    if (one_in(4)) return {};
    return one_in(2) ? minutes(3) : hours(1);
  }
  std::string address() {
    return one_in(4) ? fmt::format("2001:db8::{}", below(4)) : fmt::format("192.0.2.{}", below(8));
  }
  std::string value() {
    if (one_in(3)) return address();
    if (one_in(3)) return fmt::format("2001:db8::/{}", 126 + below(3));
    return fmt::format("192.0.2.{}/{}", below(8), 24 + below(9));
  }
  std::optional<Network> network() {
    if (one_in(4)) return {};
    return Network::parse(value());
  }

  // Ids come back: now the newest, now one that was settled long ago. Each id keeps its content for
  // a while.
  Reserve limit() {
    if (recent_.size() < 8 || one_in(2)) return fresh_limit();
    return recent_[below(recent_.size())];
  }

  Reserve fresh_limit() {
    auto op = one_in(8) ? reserve(++next_id_, "unlimited", {}) : any_limit();
    op.even_if_exceeded = one_in(6);
    if (recent_.size() < 24)
      recent_.push_back(op);
    else
      recent_[below(recent_.size())] = op;
    return op;
  }

  Reserve any_limit() {
    const auto id = ++next_id_;
    const auto key_of_limit = key("limit", 6);
    const auto n = static_cast<std::int64_t>(one_in(3) ? below(5) : 1);
    if (one_in(4)) return reserve_tokens(id, key_of_limit, bucket(), n);
    auto op = reserve(id, key_of_limit, windows(), n);
    if (one_in(3)) op.distinct = key("value", 9);
    if (one_in(12)) op.bucket = bucket();
    return op;
  }

  std::vector<Window> windows() {
    static const Duration kPeriods[] = {ms(900), ms(1001), s(10), minutes(1), minutes(7), hours(1)};
    std::vector<Window> windows;
    for (auto count = 1 + below(3); count > 0; --count)
      windows.push_back({static_cast<std::int64_t>(below(12)), kPeriods[below(6)]});
    return windows;
  }

  // The refill is the same for each period: a rate that changes makes the past a matter of taste.
  Bucket bucket() {
    const auto capacity = static_cast<std::int64_t>(below(9));
    if (one_in(5)) return {capacity, {0, minutes(3)}};
    return one_in(2) ? Bucket{capacity, {10, minutes(1)}} : Bucket{capacity, {7, hours(1)}};
  }

  std::mt19937_64 random_;
  ReservationId next_id_ = 0;
  std::vector<Reserve> recent_;
};

}  // namespace sluice::backends
