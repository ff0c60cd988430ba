// SqliteFile: the state file of the embedded store. WAL with synchronous=NORMAL: a killed process
// loses nothing that was written, power loss loses the last seconds at most and never damages the
// file.
//
// Errors: Temporary for a full or failing disk and for a file in use, Config for one that is
// damaged or newer than us. Threads: one at a time.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>

#include "backends/stored_row.h"
#include "base/clock.h"
#include "base/result.h"

namespace sluice::backends {

// The row that a query stands on; valid during the call.
class RowReader {
 public:
  explicit RowReader(void* statement) : statement_(statement) {}
  bool is_null(int column) const;
  std::int64_t integer(int column) const;
  std::string_view bytes(int column) const;
  // Within what sums of times can bear, whatever the file says.
  TimePoint time(int column) const;

 private:
  void* statement_;
};

class SqliteFile {
 public:
  struct Options {
    bool sync_each_write = false;  // synchronous=FULL: power loss loses nothing that was written
    std::int64_t max_bytes = 0;    // of the file; 0: as the disk allows
  };
  // Creates the file (mode 0600) and its tables when they are missing.
  static Result<SqliteFile> open(const std::filesystem::path& path, const Options& options);
  // Reads all of a file that nobody uses, as open() and its reader would; creates and changes nothing.
  static Result<void> examine(const std::filesystem::path& path);
  SqliteFile(SqliteFile&&) noexcept;
  SqliteFile& operator=(SqliteFile&&) noexcept;
  ~SqliteFile();

  // All rows in one transaction, or none.
  Result<void> write(const std::vector<StoredRow>& rows);
  Result<void> begin();
  Result<void> add(const std::vector<StoredRow>& rows);
  Result<void> commit();
  void roll_back();

  // Erases what expired at or before `now`, found by index, at most `most` rows of each table.
  Result<void> erase_expired(std::int64_t now, int most);
  Result<void> read(Table table, const std::function<void(const RowReader&)>& take);
  // Without what expired at or before `now`.
  Result<void> read_live(Table table, std::int64_t now,
                         const std::function<void(const RowReader&)>& take);

 private:
  struct Connection;
  explicit SqliteFile(std::unique_ptr<Connection> connection);
  Result<void> run_query(const std::string& sql, const std::function<void(const RowReader&)>& take);
  Result<void> prepare(const Options& options);
  Result<void> check_version(std::int64_t& version);
  Result<void> check_schema();
  std::unique_ptr<Connection> connection_;
};

}  // namespace sluice::backends
