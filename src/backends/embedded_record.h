// RecordTable: one kind of state in memory: found by key, dropped in the order of its expiry, with
// a list of what has to be written to disk. The parts of the embedded store keep their records in
// it.
//
// Records stay where they are until they are erased. Not thread-safe.
#pragma once
#include <array>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "backends/stored_row.h"
#include "base/clock.h"
#include "base/text.h"

namespace sluice::backends {

// What a table wants written. The writer asks each table for its erased keys first, then for
// changed records, as many at a time as it likes: each row holds the whole record as it is when it
// is taken.
class ChangeSource {
 public:
  virtual ~ChangeSource() = default;
  virtual void take_erased(std::vector<StoredRow>& rows) = 0;
  // Changes are numbered; those below `end` are taken, at most `most`. False: there are none left.
  virtual bool take_changed(std::uint64_t end, std::size_t most, std::vector<StoredRow>& rows) = 0;
  virtual std::uint64_t changes_end() const = 0;
  // The disk is away: nothing is kept for it, later everything is written anew.
  virtual void discard_changes() = 0;
  // Every record, in kParts parts.
  static constexpr std::size_t kParts = 64;
  virtual void take_all(std::size_t part, std::vector<StoredRow>& rows) = 0;
};

// The part of a record that its table looks after.
struct Record {
  static constexpr std::uint64_t kClean = ~std::uint64_t{0};
  const std::string* key = nullptr;
  TimePoint expires = TimePoint::max();  // it means nothing from then on
  TimePoint indexed = TimePoint::max();  // max: not in the index
  std::uint64_t change = kClean;
};

// T is a Record with
//   void store(std::vector<StoredRow>& rows, bool everything)  adds its rows (everything: also what
//   is on disk already) static void erase_stored(const std::string& key, std::vector<StoredRow>&
//   rows)
template <class T>
class RecordTable : public ChangeSource {
 public:
  T* find(std::string_view key) { return find(key, keyed_hash(key)); }
  // With the hash that is known already.
  T* find(std::string_view key, std::uint64_t hash) {
    const Lookup lookup{key, hash};
    auto& part = parts_[part_of(lookup.hash)];
    const auto found = part.find(lookup);
    return found == part.end() ? nullptr : &found->second;
  }

  // With the key that is not there yet.
  T& add(const std::string& key) {
    const auto [place, added] = parts_[part_of(keyed_hash(key))].try_emplace(key);
    place->second.key = &place->first;
    if (added) ++size_;
    return place->second;
  }
  T& find_or_add(const std::string& key) {
    auto* found = find(key);
    return found ? *found : add(key);
  }

  // An expiry that moves away is brought up to date in the index when its turn comes: most are
  // renewed many times.
  void expire_at(T& record, TimePoint when) {
    record.expires = when;
    if (when < record.indexed) reindex(record);
  }

  void mark(T& record) {
    if (record.change != Record::kClean) return;
    record.change = first_change_ + changed_.size();
    changed_.push_back(&record);
  }

  // Without a trace on disk; with `stored` the row there goes too.
  void erase(T& record, bool stored = true) {
    if (stored) T::erase_stored(*record.key, erased_);
    if (record.change != Record::kClean) changed_[record.change - first_change_] = nullptr;
    if (record.indexed != TimePoint::max()) index_.erase({record.indexed, &record});
    const Lookup lookup{*record.key, keyed_hash(*record.key)};
    auto& part = parts_[part_of(lookup.hash)];
    part.erase(part.find(lookup));
    --size_;
  }

  // Its rows go, the record stays.
  void erase_stored(T& record) { T::erase_stored(*record.key, erased_); }

  // The record that expires first; null when there is none.
  T* next_to_expire() {
    while (!index_.empty()) {
      auto* record = index_.begin()->second;
      if (record->expires <= record->indexed) return record;
      reindex(*record);
    }
    return nullptr;
  }
  // Behind that one, in the order of the index.
  template <class F>
  void each_soon_to_expire(std::size_t most, F&& take) {
    for (auto it = index_.begin(); it != index_.end() && most > 0; ++it, --most) {
      if (!take(*it->second)) return;
    }
  }
  // Drops what has expired, at most `most`. The file drops its rows by itself, unless they are
  // older than the record and may say that they live longer.
  template <class F>
  void sweep(TimePoint now, std::size_t most, F&& before_erase) {
    for (; most > 0; --most) {
      auto* record = next_to_expire();
      if (!record || record->expires > now) return;
      before_erase(*record);
      erase(*record, record->change != Record::kClean);
    }
  }

  std::size_t size() const { return size_; }
  template <class F>
  void each(std::size_t part, F&& take) {
    for (auto& [key, record] : parts_[part]) take(record);
  }

  void take_erased(std::vector<StoredRow>& rows) override {
    for (auto& row : erased_) rows.push_back(std::move(row));
    erased_.clear();
  }
  std::uint64_t changes_end() const override { return first_change_ + changed_.size(); }
  bool take_changed(std::uint64_t end, std::size_t most, std::vector<StoredRow>& rows) override {
    for (; most > 0 && first_change_ < end && !changed_.empty(); --most) {
      auto* record = changed_.front();
      changed_.pop_front();
      ++first_change_;
      if (!record) continue;
      record->change = Record::kClean;
      record->store(rows, false);
    }
    return first_change_ < end && !changed_.empty();
  }
  void discard_changes() override {
    for (auto* record : changed_) {
      if (record) record->change = Record::kClean;
    }
    first_change_ += changed_.size();
    changed_.clear();
    erased_.clear();
  }
  void take_all(std::size_t part, std::vector<StoredRow>& rows) override {
    each(part, [&](T& record) { record.store(rows, true); });
  }

 private:
  struct Lookup {
    std::string_view key;
    std::uint64_t hash;
  };
  // May throw as far as the library knows, so that it keeps each hash beside its record.
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const std::string& key) const noexcept(false) { return keyed_hash(key); }
    std::size_t operator()(const Lookup& lookup) const noexcept(false) { return lookup.hash; }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const std::string& a, const std::string& b) const { return a == b; }
    bool operator()(const Lookup& a, const std::string& b) const { return a.key == b; }
    bool operator()(const std::string& a, const Lookup& b) const { return a == b.key; }
  };
  using Part = std::unordered_map<std::string, T, Hash, Equal>;

  static std::size_t part_of(std::uint64_t hash) { return hash >> 58; }
  // What never expires is not in the index.
  void reindex(T& record) {
    const bool is_new = record.indexed == TimePoint::max();
    if (record.expires == TimePoint::max()) {
      index_.erase({record.indexed, &record});
    } else if (is_new) {
      index_.insert({record.expires, &record});
    } else {
      auto node = index_.extract({record.indexed, &record});
      node.value().first = record.expires;
      index_.insert(std::move(node));
    }
    record.indexed = record.expires;
  }

  // Many small maps instead of a large one: growing one of them takes a moment, not a tenth of a
  // second.
  std::array<Part, kParts> parts_;
  std::set<std::pair<TimePoint, T*>> index_;
  std::size_t size_ = 0;
  std::deque<T*> changed_;
  std::uint64_t first_change_ = 0;
  std::vector<StoredRow> erased_;
};

}  // namespace sluice::backends
