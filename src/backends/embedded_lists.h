// Dynamic lists and values seen, of the embedded store. An address is looked up once for each
// prefix length in use. Not thread-safe; times never go back.
#pragma once
#include <map>
#include <unordered_map>

#include "backends/embedded_record.h"
#include "backends/state_store.h"

namespace sluice::backends {

class RowReader;

struct ListRow : Record {  // key: list, NUL, value
  std::size_t list_size = 0;
  std::optional<Network> network;
  TimePoint added{};
  bool is_permanent() const { return expires == TimePoint::max(); }
  std::string list() const { return key->substr(0, list_size); }
  std::string value() const { return key->substr(list_size + 1); }
  void store(std::vector<StoredRow>& rows, bool everything);
  static void erase_stored(const std::string& key, std::vector<StoredRow>& rows);
};

class EmbeddedLists {
 public:
  explicit EmbeddedLists(std::size_t most_entries) : most_(most_entries) {}

  StateAnswer apply(const ListContains& op, TimePoint now);
  StateAnswer apply(const ListAdd& op, TimePoint now);  // not available: full of permanent entries
  StateAnswer apply(const ListRemove& op, TimePoint now);

  void sweep(TimePoint now, std::size_t most);
  std::size_t size() const { return rows_.size(); }
  ChangeSource& changes() { return rows_; }
  void load(const RowReader& row);

  void show(std::size_t part, const std::string& filter, TimePoint now,
            std::vector<StateEntry>& entries);
  std::size_t forget(std::size_t part, const std::string& filter, TimePoint now);

 private:
  struct AddressHash {
    std::size_t operator()(const IpAddress& address) const;
  };
  // The networks of one list, by length within 128 bits; both families apart.
  using Networks = std::unordered_map<IpAddress, std::vector<ListRow*>, AddressHash>;
  struct NetworkIndex {
    std::map<int, Networks> v4, v6;
  };
  bool evict_one();
  void erase(ListRow& row);
  void index(ListRow& row, const std::optional<Network>& network);
  void unindex(ListRow& row);

  std::size_t most_;
  RecordTable<ListRow> rows_;
  std::map<std::string, NetworkIndex, std::less<>> networks_;
};

struct SeenRow : Record {
  TimePoint first{}, last{};
  void store(std::vector<StoredRow>& rows, bool everything);
  static void erase_stored(const std::string& key, std::vector<StoredRow>& rows);
};

class EmbeddedSeen {
 public:
  explicit EmbeddedSeen(std::size_t most_entries) : most_(most_entries) {}

  StateAnswer apply(const Seen& op, TimePoint now);  // times of the store
  StateAnswer apply(const SeenRecord& op, TimePoint now);

  void sweep(TimePoint now, std::size_t most);
  bool evict_one();
  std::size_t size() const { return rows_.size(); }
  ChangeSource& changes() { return rows_; }
  void load(const RowReader& row);

  void show(std::size_t part, const std::string& filter, TimePoint now,
            std::vector<StateEntry>& entries);
  std::size_t forget(std::size_t part, const std::string& filter, TimePoint now);

 private:
  std::size_t most_;
  RecordTable<SeenRow> rows_;
};

}  // namespace sluice::backends
