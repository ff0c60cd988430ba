// The limits of the embedded store: sub-windows, buckets, distinct values and reservations, in
// memory. Every answer takes time in the number of windows and sub-windows; only the wait of a
// refusal also looks at the reservations of the key. Not thread-safe; times never go back.
#pragma once
#include <memory>
#include <optional>
#include <unordered_map>

#include "backends/embedded_record.h"
#include "backends/limit_record.h"
#include "backends/settled_ids.h"
#include "backends/state_store.h"

namespace sluice::backends {

class RowReader;

class EmbeddedLimits {
 public:
  // As EmbeddedOptions names them.
  struct Caps {
    std::size_t limits, values, reservations, settled;
  };
  explicit EmbeddedLimits(const Caps& caps) : caps_(caps), settled_(caps.settled) {}

  StateAnswer apply(const Reserve& op, TimePoint now);
  StateAnswer apply(const Peek& op, TimePoint now);
  StateAnswer apply(const Commit& op, TimePoint now);
  // As Commit, with what the reservation says.
  StateAnswer commit(const Reserve& reserved, TimePoint now);
  StateAnswer apply(const Release& op, TimePoint now);
  StateAnswer apply(const Renew& op, TimePoint now);

  void sweep(TimePoint now, std::size_t most);
  bool evict_one(TimePoint now);
  std::size_t size() const { return records_.size(); }
  std::size_t reservations() const { return reservations_; }
  ChangeSource& changes() { return records_; }
  void load_series(const RowReader& row);
  void load_value(const RowReader& row);
  void loaded();  // after the last row

  // What the administrator sees and does, one part of all keys at a time.
  void show(std::size_t part, const std::string& filter, TimePoint now,
            std::vector<StateEntry>& entries);
  std::size_t forget(std::size_t part, const std::string& filter, TimePoint now);
  std::size_t grant(std::size_t part, const std::string& filter, std::int64_t extra,
                    TimePoint until, TimePoint now);

 private:
  template <class Op>
  StateAnswer use(const Op& op, TimePoint now);
  LimitRecord* current(const std::string& key, std::uint64_t hash, TimePoint now);
  LimitRecord& new_record(const std::string& key, TimePoint now);
  void refresh(LimitRecord& record, TimePoint now);
  void count_values(LimitRecord& record);
  void forget_counts(LimitRecord& record);
  StateAnswer hold(LimitRecord& record, const Reserve& op, const StateAnswer& answer,
                   TimePoint now);
  void let_go(LimitRecord& record, const LimitHold& hold);
  void drop_hold(LimitRecord& record, ReservationId id);
  void set_expiry(LimitRecord& record);
  std::size_t show_record(const LimitRecord& record, TimePoint now,
                          std::vector<StateEntry>* entries) const;

  std::unique_ptr<LimitHolds> take_spare_table();
  void add_hold(LimitHolds& holds, ReservationId id, LimitHold hold);
  void keep_spare(LimitHolds::node_type node);
  static std::uint64_t settled_id(ReservationId id, std::uint64_t key_hash);

  static constexpr std::size_t kSpare = 256, kSpareBuckets = 64;

  Caps caps_;
  RecordTable<LimitRecord> records_;
  std::size_t values_ = 0;
  std::size_t reservations_ = 0;
  SettledIds settled_;
  std::vector<std::unique_ptr<LimitHolds>> spare_tables_;  // empty ones
  std::vector<LimitHolds::node_type> spare_holds_;
};

}  // namespace sluice::backends
