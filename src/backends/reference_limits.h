// The limits of the reference model: every use with its time, every reservation with its lease,
// answers by definition.
#pragma once
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backends/state_store.h"
#include "backends/sub_window.h"

namespace sluice::backends {

class ReferenceLimits {
 public:
  StateAnswer apply(const Reserve& op, TimePoint now);
  StateAnswer apply(const Peek& op, TimePoint now);
  StateAnswer apply(const Commit& op, TimePoint now);
  StateAnswer apply(const Release& op, TimePoint now);
  StateAnswer apply(const Renew& op, TimePoint now);

  std::vector<StateEntry> entries(const std::string& filter, TimePoint now) const;
  std::size_t forget(const std::string& filter, TimePoint now);
  std::size_t grant(const std::string& filter, std::int64_t extra, TimePoint until, TimePoint now);
  void restart();

 private:
  // Something that was committed; either to windows or to a bucket.
  struct Use {
    TimePoint at;
    std::int64_t n = 0;
    std::optional<std::string> value;
    std::set<Duration> periods;
    std::optional<Window> refill;
  };
  struct Hold {
    Reserve asked;
    TimePoint lease;
    StateAnswer answer;
  };
  struct Limit {
    std::string name;
    std::vector<Use> uses;  // in order of time
    std::map<ReservationId, Hold> holds;
    std::int64_t extra = 0;
    TimePoint extra_until{};
  };
  // One thing that may refuse: a window or the bucket of a demand, with or without regard to what
  // is reserved.
  struct Check {
    const Limit& limit;
    const Peek& demand;
    std::size_t index;  // of the window; behind the last one: the bucket
    std::int64_t extra;
    bool with_holds;

    bool is_bucket() const { return index == demand.windows.size(); }
    Duration period() const;
    bool fits(TimePoint t) const;
    bool fits_window(TimePoint t) const;
    bool fits_distinct(TimePoint t) const;
    bool fits_bucket(TimePoint t) const;
    std::int64_t used(TimePoint t) const;
    Duration wait(TimePoint now) const;
  };

  static WideCount used(const Limit& limit, Duration period, TimePoint t);
  static WideCount reserved(const Limit& limit, Duration period, TimePoint t);
  static std::set<std::string> used_values(const Limit& limit, Duration period, TimePoint t);
  static std::set<std::string> held_values(const Limit& limit, Duration period, TimePoint t);
  static WideCount debt(const Limit& limit, const Window& refill, TimePoint t);
  static WideCount reserved_tokens(const Limit& limit, Duration period, TimePoint t);

  StateAnswer evaluate(const Limit& limit, const Peek& demand, TimePoint now) const;
  Limit& at(const std::string& key, TimePoint now);
  bool is_settled(ReservationId id, const std::string& key, TimePoint now);
  void settle(ReservationId id, const std::string& key, TimePoint now);
  static void drop_old_uses(Limit& limit, const std::optional<Bucket>& bucket, TimePoint now);
  static std::vector<StateEntry> entries_of(const std::string& key, const Limit& limit,
                                            TimePoint now);

  using Settled = std::pair<std::string, ReservationId>;
  std::map<std::string, Limit> limits_;
  std::set<Settled> settled_;
  std::deque<std::pair<TimePoint, Settled>> settled_in_order_;
};

}  // namespace sluice::backends
