// LimitSeries: what one limit has counted for one period: units in sub-windows, distinct values, or
// the debt of a bucket.
#pragma once
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "backends/sub_window.h"
#include "base/text.h"

namespace sluice::backends {

enum class SeriesKind : std::uint8_t { Units, Values, Bucket };

class LimitSeries {
 public:
  LimitSeries(SeriesKind kind, Duration period);

  SeriesKind kind() const { return kind_; }
  Duration period() const { return period_; }

  // Forgets what is too old. To be called before anything else at a new time.
  void refresh(TimePoint now);

  // Units and Values.
  std::int64_t used() const;
  WideCount reserved() const { return reserved_; }  // also of buckets, in tokens
  void add_units(std::int64_t n, TimePoint now);
  // n of what counts does not count any more from then on.
  struct End {
    TimePoint at;
    WideCount n;
  };
  std::vector<End> ends() const;  // of all that is used, oldest first
  TimePoint last_end()
      const;  // of any kind: when nothing is left; TimePoint::min(): nothing is used

  // Values. A value is used, held, or both.
  bool knows(const std::string& value) const;
  std::optional<TimePoint> end_of(const std::string& value) const;  // of its use
  // False: the value was new and is counted without being remembered (`may_remember` was false).
  bool add_value(const std::string& value, bool may_remember, TimePoint now);
  std::size_t values() const { return values_ ? values_->table.size() : 0; }

  // Bucket.
  WideCount debt(std::int64_t refill_count, TimePoint now) const;
  WideCount shown_debt(TimePoint now) const { return debt(refill_count_, now); }
  void add_tokens(std::int64_t n, const Window& refill, TimePoint now);

  // Reservations.
  void hold_units(std::int64_t n) { reserved_ += n; }
  void let_go_units(std::int64_t n) { reserved_ -= n; }
  void hold_value(const std::string& value);
  void let_go_value(const std::string& value);

  // All that is used is forgotten, what is held stays.
  void reset();
  bool has_use() const { return kind_ == SeriesKind::Bucket ? debt_ > 0 : total_ > 0; }

  // To and from disk.
  std::string stored() const;
  void load(std::string_view stored);
  void load_value(std::string value, std::int64_t index);
  // For other stores: the sub-windows with something in them, oldest first; what a bucket misses.
  std::vector<std::pair<std::int64_t, std::int64_t>> sub_windows() const;
  struct BucketState {
    WideCount debt;
    TimePoint at;
    std::int64_t refill_count;
  };
  BucketState bucket() const { return {debt_, debt_at_, refill_count_}; }
  // Values whose use changed since the last call (or all that are used), with their sub-windows.
  std::vector<std::pair<std::string, std::int64_t>> take_changed_values(bool all);

 private:
  struct Slot {
    std::int64_t index;
    std::int64_t n;
  };
  static constexpr std::int64_t kUnused = std::numeric_limits<std::int64_t>::min();
  struct Value {
    std::int64_t index = kUnused;
    std::uint32_t holds = 0;
    bool changed = false;
  };
  struct Values {
    std::unordered_map<std::string, Value, KeyedHash, std::equal_to<>> table;
    std::vector<std::string> changed;
  };
  void add_to_slot(std::int64_t index, std::int64_t n);
  void drop_old_values(std::int64_t first_live);

  SeriesKind kind_;
  Duration period_;
  std::vector<Slot> slots_;  // not empty ones only, oldest first, kSubWindows + 1 at most
  std::int64_t total_ = 0;   // of the slots
  WideCount reserved_ = 0;   // Values: those that are held and not used
  std::unique_ptr<Values> values_;
  WideCount debt_ = 0;
  TimePoint debt_at_{};
  std::int64_t refill_count_ = 0;
};

}  // namespace sluice::backends
