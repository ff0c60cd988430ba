// The greylist of the embedded store. Entries that wait and entries that passed are kept apart: a
// flood of first contacts can only push out other first contacts. Not thread-safe; times never go
// back.
#pragma once
#include "backends/embedded_record.h"
#include "backends/state_store.h"

namespace sluice::backends {

class RowReader;

struct GreylistRow
    : Record {  // expires: waiting 1 ms after its last chance, passed at the end of its pass
  std::string name;
  TimePoint first{};
  bool passed = false;
  void store(std::vector<StoredRow>& rows, bool everything);
  static void erase_stored(const std::string& key, std::vector<StoredRow>& rows);
};

struct AutoAllowRow : Record {
  // Entries that came back, and the ends of their passes; as many as are needed, the longest
  // passes.
  std::vector<std::pair<std::string, TimePoint>> came_back;
  TimePoint until = TimePoint::min();
  void store(std::vector<StoredRow>& rows, bool everything);
  static void erase_stored(const std::string& key, std::vector<StoredRow>& rows);
};

class EmbeddedGreylist {
 public:
  // As EmbeddedOptions names them.
  struct Caps {
    std::size_t first_seen, passed, auto_allowed;
  };
  explicit EmbeddedGreylist(const Caps& caps) : caps_(caps) {}

  StateAnswer apply(const GreylistLook& op, TimePoint now);
  StateAnswer apply(const GreylistRecord& op, TimePoint now);
  StateAnswer apply(const GreylistPromote& op, TimePoint now);

  void sweep(TimePoint now, std::size_t most);
  bool evict_first_seen();
  bool evict_passed();
  std::size_t waiting() const { return waiting_.size(); }
  std::size_t passed() const { return passed_.size(); }
  std::size_t size() const { return waiting_.size() + passed_.size() + auto_allowed_.size(); }
  std::vector<ChangeSource*> changes() { return {&waiting_, &passed_, &auto_allowed_}; }
  void load_entry(const RowReader& row);
  void load_auto_allowed(const RowReader& row);

  void show(std::size_t part, const std::string& filter, TimePoint now,
            std::vector<StateEntry>& entries);
  std::size_t forget(std::size_t part, const std::string& filter, TimePoint now);

 private:
  void count_for(const GreylistPromote& op, TimePoint pass_ends, TimePoint now);

  Caps caps_;
  RecordTable<GreylistRow> waiting_, passed_;
  RecordTable<AutoAllowRow> auto_allowed_;
};

}  // namespace sluice::backends
