#include "backends/sqlite_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace sluice::backends {

namespace {

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

struct Binder {
  sqlite3_stmt* statement;
  int column;
  int operator()(std::monostate) const { return sqlite3_bind_null(statement, column); }
  int operator()(std::int64_t value) const { return sqlite3_bind_int64(statement, column, value); }
  int operator()(const std::string& text) const {
    return sqlite3_bind_text64(statement, column, text.data(), text.size(), SQLITE_STATIC,
                               SQLITE_UTF8);
  }
  int operator()(const Blob& blob) const {
    return sqlite3_bind_blob64(statement, column, blob.bytes.data(), blob.bytes.size(),
                               SQLITE_STATIC);
  }
};

constexpr std::array kTablesInOrder{Table::Limits,      Table::LimitValues, Table::Greylist,
                                    Table::AutoAllowed, Table::ListEntries, Table::Seen,
                                    Table::Meta};

}  // namespace

bool RowReader::is_null(int column) const {
  return sqlite3_column_type(static_cast<sqlite3_stmt*>(statement_), column) == SQLITE_NULL;
}
std::int64_t RowReader::integer(int column) const {
  return sqlite3_column_int64(static_cast<sqlite3_stmt*>(statement_), column);
}
TimePoint RowReader::time(int column) const {
  constexpr std::int64_t kFar = std::int64_t{1} << 55;
  return TimePoint{Duration{std::clamp(integer(column), -kFar, kFar)}};
}
std::string_view RowReader::bytes(int column) const {
  auto* statement = static_cast<sqlite3_stmt*>(statement_);
  const auto* start = static_cast<const char*>(sqlite3_column_blob(statement, column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
  return start ? std::string_view(start, size) : std::string_view{};
}

struct SqliteFile::Connection {
  std::string path;
  sqlite3* db = nullptr;
  bool opening = true;
  std::array<Statement, kTables> insert, update, erase;
  Statement begin, commit;
  ~Connection() {
    begin.reset();
    commit.reset();
    for (auto& statement : insert) statement.reset();
    for (auto& statement : update) statement.reset();
    for (auto& statement : erase) statement.reset();
    sqlite3_close_v2(db);
  }

  std::string folder() const { return std::filesystem::path(path).parent_path().string(); }
  Error error() const {
    const int code = sqlite3_errcode(db);
    // While it is opened an error of our SQL says that the file holds other tables than it should.
    const bool damaged =
        code == SQLITE_CORRUPT || code == SQLITE_NOTADB || (opening && code == SQLITE_ERROR);
    if (damaged)
      return {Cause::Config,
              fmt::format("{} is damaged ({}); move it away to begin with empty state: "
                          "cd {} && mkdir damaged && mv state.db* damaged",
                          path, sqlite3_errmsg(db), folder())};
    return {Cause::Temporary, fmt::format("{}: {}", path, sqlite3_errmsg(db))};
  }
  Result<void> fail() const { return tl::unexpected<Error>(error()); }
  Result<void> run(const std::string& sql) const {
    return sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK ? Result<void>{}
                                                                                 : fail();
  }
  Result<Statement> statement(const char* sql) const {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr) != SQLITE_OK)
      return tl::unexpected<Error>(error());
    return Statement(raw);
  }
  Result<void> step(sqlite3_stmt* statement, const std::vector<Field>& fields) const {
    int column = 0;
    int code = SQLITE_OK;
    for (const auto& field : fields) {
      const int bound = std::visit(Binder{statement, ++column}, field);
      if (bound != SQLITE_OK) code = bound;
    }
    if (code == SQLITE_OK) code = sqlite3_step(statement);
    const auto result = code == SQLITE_DONE ? Result<void>{} : fail();
    sqlite3_reset(statement);
    return result;
  }
  Result<void> change(const StoredRow& row) const {
    const auto table = static_cast<std::size_t>(row.table);
    if (row.change == StoredRow::Change::Insert) {
      if (update[table]) {
        const auto done = step(update[table].get(), row.fields);
        if (!done || sqlite3_changes(db) > 0) return done;
      }
      return step(insert[table].get(), row.fields);
    }
    if (row.change == StoredRow::Change::Erase) return step(erase[table].get(), row.fields);
    return run(fmt::format("DELETE FROM {}", text_of(row.table).name));
  }
};

SqliteFile::SqliteFile(std::unique_ptr<Connection> connection)
    : connection_(std::move(connection)) {}
SqliteFile::SqliteFile(SqliteFile&&) noexcept = default;
SqliteFile& SqliteFile::operator=(SqliteFile&&) noexcept = default;
SqliteFile::~SqliteFile() = default;

Result<SqliteFile> SqliteFile::open(const std::filesystem::path& path, const Options& options) {
  // SQLite gives the WAL the mode of the file; what mail senders did is nobody else's business.
  const int created = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (created >= 0) ::close(created);
  auto connection = std::make_unique<Connection>();
  connection->path = path.string();
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(path.c_str(), &connection->db, kFlags, nullptr) != SQLITE_OK) {
    if (!connection->db) return temporary(path.string() + ": out of memory");
    return tl::unexpected<Error>(connection->error());
  }
  SqliteFile file(std::move(connection));
  if (auto prepared = file.prepare(options); !prepared)
    return tl::unexpected<Error>(prepared.error());
  return file;
}

Result<void> SqliteFile::prepare(const Options& options) {
  auto& c = *connection_;
  sqlite3_busy_timeout(c.db, 2000);
  auto done = c.run(
      "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 1000;"
      "PRAGMA journal_size_limit = 16777216; PRAGMA cache_size = -8192; PRAGMA temp_store = "
      "MEMORY");
  if (done)
    done = c.run(options.sync_each_write ? "PRAGMA synchronous = FULL"
                                         : "PRAGMA synchronous = NORMAL");
  if (done && options.max_bytes > 0)
    done = c.run(fmt::format("PRAGMA max_page_count = {}",
                             std::max<std::int64_t>(options.max_bytes / 4096, 64)));
  if (done) done = check_schema();
  if (!done) return done;
  auto begin = c.statement("BEGIN IMMEDIATE");
  auto commit = c.statement("COMMIT");
  if (!begin || !commit) return c.fail();
  c.begin = std::move(*begin);
  c.commit = std::move(*commit);
  for (const auto table : kTablesInOrder) {
    auto insert = c.statement(text_of(table).insert);
    auto erase = c.statement(text_of(table).erase);
    if (!insert || !erase) return c.fail();
    c.insert[static_cast<std::size_t>(table)] = std::move(*insert);
    c.erase[static_cast<std::size_t>(table)] = std::move(*erase);
    if (text_of(table).update == nullptr) continue;
    auto update = c.statement(text_of(table).update);
    if (!update) return c.fail();
    c.update[static_cast<std::size_t>(table)] = std::move(*update);
  }
  c.opening = false;
  return {};
}

namespace {

// A file: URI. What a log beside the file holds is read through it, which takes locks; without one the
// file alone is read, which leaves nothing behind.
std::string uri_for_reading(const std::filesystem::path& path) {
  std::string uri = "file:";
  for (const char c : path.string())
    uri += c == '%' || c == '?' || c == '#' ? fmt::format("%{:02X}", static_cast<unsigned>(c))
                                            : std::string(1, c);
  std::error_code none;
  const auto log = std::filesystem::file_size(path.string() + "-wal", none);
  return uri + (!none && log > 0 ? "?mode=ro" : "?immutable=1");
}

}  // namespace

Result<void> SqliteFile::examine(const std::filesystem::path& path) {
  auto connection = std::make_unique<Connection>();
  connection->path = path.string();
  constexpr int kFlags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(uri_for_reading(path).c_str(), &connection->db, kFlags, nullptr) != SQLITE_OK)
    return temporary(path.string() + " cannot be opened");
  SqliteFile file(std::move(connection));
  std::vector<std::string> present;  // a start makes those that are missing
  auto done = file.run_query("SELECT name FROM sqlite_master", [&](const RowReader& row) {
    present.emplace_back(row.bytes(0));
  });
  const auto is_there = [&](Table table) {
    return std::find(present.begin(), present.end(), text_of(table).name) != present.end();
  };
  std::int64_t version = 0;
  if (done && is_there(Table::Meta)) done = file.check_version(version);
  for (const auto table : kTablesInOrder)
    if (done && is_there(table)) done = file.read(table, [](const RowReader&) {});
  return done;
}

Result<void> SqliteFile::check_version(std::int64_t& version) {
  const auto done = read(Table::Meta, [&](const RowReader& row) {
    if (row.bytes(0) == "schema") version = row.integer(1);
  });
  if (!done || version <= kSchemaVersion) return done;
  return config_error(
      fmt::format("{} has schema {}, written by a newer version; this one knows schema {}",
                  connection_->path, version, kSchemaVersion));
}

// The version is looked at before anything is created: an older program must not touch a newer
// file.
Result<void> SqliteFile::check_schema() {
  auto& c = *connection_;
  std::int64_t version = 0;
  auto done = c.run(text_of(Table::Meta).create);
  if (done) done = check_version(version);
  if (!done) return done;
  for (const auto table : kTablesInOrder) {
    if (done) done = c.run(text_of(table).create);
  }
  if (done && version < kSchemaVersion)
    done = c.run(fmt::format("INSERT OR REPLACE INTO meta VALUES ('schema', {})", kSchemaVersion));
  return done;
}

Result<void> SqliteFile::begin() { return connection_->step(connection_->begin.get(), {}); }
Result<void> SqliteFile::commit() { return connection_->step(connection_->commit.get(), {}); }
void SqliteFile::roll_back() {
  if (sqlite3_get_autocommit(connection_->db) == 0) (void)connection_->run("ROLLBACK");
}

Result<void> SqliteFile::add(const std::vector<StoredRow>& rows) {
  for (const auto& row : rows) {
    if (auto done = connection_->change(row); !done) return done;
  }
  return {};
}

Result<void> SqliteFile::write(const std::vector<StoredRow>& rows) {
  auto done = begin();
  if (done) done = add(rows);
  if (done) done = commit();
  if (!done) roll_back();
  return done;
}

Result<void> SqliteFile::erase_expired(std::int64_t now, int most) {
  for (const auto table : kTablesInOrder) {
    const auto& text = text_of(table);
    if (!text.expires) continue;
    // WITHOUT ROWID and no DELETE … LIMIT: the moment of the most-th row to go bounds the work.
    const auto done = connection_->run(fmt::format(
        "DELETE FROM {0} WHERE expires <= coalesce((SELECT expires FROM {0} WHERE expires <= {1} "
        "ORDER BY expires LIMIT 1 OFFSET {2}), {1})",
        text.name, now, most));
    if (!done) return done;
  }
  return {};
}

Result<void> SqliteFile::run_query(const std::string& sql,
                                   const std::function<void(const RowReader&)>& take) {
  auto statement = connection_->statement(sql.c_str());
  if (!statement) return tl::unexpected<Error>(statement.error());
  int code = SQLITE_ROW;
  while ((code = sqlite3_step(statement->get())) == SQLITE_ROW) take(RowReader(statement->get()));
  return code == SQLITE_DONE ? Result<void>{} : connection_->fail();
}

Result<void> SqliteFile::read(Table table, const std::function<void(const RowReader&)>& take) {
  return run_query(text_of(table).select, take);
}

Result<void> SqliteFile::read_live(Table table, std::int64_t now,
                                   const std::function<void(const RowReader&)>& take) {
  return run_query(
      fmt::format("{} WHERE expires IS NULL OR expires > {}", text_of(table).select, now), take);
}

}  // namespace sluice::backends
