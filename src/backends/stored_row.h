// What the embedded store keeps on disk: one row for each piece of state, in tables that `sqlite3
// state.db` can read. Times are milliseconds since 1970 in the store's own time, expires is NULL
// for what stays until it is removed.
#pragma once
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace sluice::backends {

enum class Table : std::uint8_t {
  Limits,
  LimitValues,
  Greylist,
  AutoAllowed,
  ListEntries,
  Seen,
  Meta
};
inline constexpr std::size_t kTables = 7;
inline constexpr int kSchemaVersion = 1;

struct Blob {
  std::string bytes;
};
using Field = std::variant<std::monostate, std::int64_t, std::string, Blob>;

// One change of a table. Insert replaces the row with the same key.
struct StoredRow {
  enum class Change : std::uint8_t { Insert, Erase, EraseAll } change = Change::Insert;
  Table table = Table::Meta;
  std::vector<Field> fields;  // Insert: every column in order; Erase: the key columns
};

struct TableText {
  const char* name;
  const char* create;
  const char* insert;
  // The same for a row that is there and expires when the new one does, or null: what the index of
  // expiries says stays as it is, which is most of the work of an insert.
  const char* update;
  const char* erase;
  const char* select;
  bool expires;  // has a column of that name
};
const TableText& text_of(Table table);

}  // namespace sluice::backends
