#include "app/history_file.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>

#include "base/text.h"

namespace sluice::app {
namespace {

constexpr int kSchema = 1;
constexpr int kKeyBits = 20;  // of a key below its milliseconds
constexpr int kTrimAtOnce = 5'000;
constexpr std::size_t kMaxNames = 100'000;  // counted by `top`
constexpr int kBusyMilliseconds = 5'000;
constexpr int kStepsBetweenChecks = 20'000;  // of SQLite's machine, to look at the time
constexpr Duration kMinutesKept{7 * 86'400'000LL};

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

constexpr const char* kTables = R"(
CREATE TABLE IF NOT EXISTS decision(k INTEGER PRIMARY KEY, sid TEXT, qid TEXT, id TEXT, stage INTEGER,
  act INTEGER, code INTEGER, ecode TEXT, rule TEXT, rev TEXT, policy TEXT, client TEXT, ptr TEXT, helo TEXT,
  sender TEXT, recipient TEXT, auth TEXT, size INTEGER, score REAL, dur_us INTEGER, store_us INTEGER,
  dns_us INTEGER, degraded INTEGER, exempt TEXT, unknown TEXT, would TEXT, marks TEXT, log TEXT, msg TEXT,
  trace TEXT);
CREATE INDEX IF NOT EXISTS by_id ON decision(id) WHERE id != '';
CREATE INDEX IF NOT EXISTS by_qid ON decision(qid) WHERE qid != '';
CREATE INDEX IF NOT EXISTS by_sid ON decision(sid);
CREATE TABLE IF NOT EXISTS minute(at INTEGER, what TEXT, name TEXT, n INTEGER,
  PRIMARY KEY(at, what, name)) WITHOUT ROWID;
)";
constexpr const char* kColumns =
    "k, sid, qid, id, stage, act, code, ecode, rule, rev, policy, client, ptr, helo, sender, recipient, "
    "auth, size, score, dur_us, store_us, dns_us, degraded, exempt, unknown, would, marks, log, msg, trace";
constexpr int kColumnCount = 30;

std::int64_t milliseconds(TimePoint t) { return t.time_since_epoch().count(); }
std::int64_t first_key(TimePoint t) { return milliseconds(t) << kKeyBits; }
TimePoint time_of(std::int64_t key) { return TimePoint{Duration{key >> kKeyBits}}; }

// One value of a statement, in its order. Texts are not copied: they outlive the statement's run.
class Binder {
 public:
  explicit Binder(sqlite3_stmt* statement) : statement_(statement) {}
  Binder& operator<<(std::int64_t value) {
    sqlite3_bind_int64(statement_, ++column_, value);
    return *this;
  }
  Binder& operator<<(double value) {
    sqlite3_bind_double(statement_, ++column_, value);
    return *this;
  }
  Binder& operator<<(const std::string& text) {
    sqlite3_bind_text64(statement_, ++column_, text.data(), text.size(), SQLITE_STATIC,
                        SQLITE_UTF8);
    return *this;
  }

 private:
  sqlite3_stmt* statement_;
  int column_ = 0;
};

class Row {
 public:
  explicit Row(sqlite3_stmt* statement) : statement_(statement) {}
  std::string text() {
    const auto* start = static_cast<const char*>(sqlite3_column_blob(statement_, column_));
    const int size = sqlite3_column_bytes(statement_, column_++);
    return start == nullptr ? std::string() : std::string(start, static_cast<std::size_t>(size));
  }
  std::int64_t integer() { return sqlite3_column_int64(statement_, column_++); }
  double number() { return sqlite3_column_double(statement_, column_++); }

 private:
  sqlite3_stmt* statement_;
  int column_ = 0;
};

template <class Enum>
Enum bounded(std::int64_t value, Enum most) {
  return value < 0 || value > static_cast<std::int64_t>(most) ? Enum{} : static_cast<Enum>(value);
}

HistoryEntry read_entry(sqlite3_stmt* statement) {
  Row row(statement);
  HistoryEntry e;
  e.key = row.integer();
  e.at = time_of(e.key);
  e.sid = row.text(), e.qid = row.text(), e.id = row.text();
  e.stage = bounded(row.integer(), mail::Stage::End);
  e.action = bounded(row.integer(), mail::Action::Quarantine);
  e.code = static_cast<int>(row.integer());
  for (std::string HistoryEntry::*field :
       {&HistoryEntry::status, &HistoryEntry::rule, &HistoryEntry::rev, &HistoryEntry::policy,
        &HistoryEntry::client, &HistoryEntry::ptr, &HistoryEntry::helo, &HistoryEntry::from,
        &HistoryEntry::to, &HistoryEntry::auth})
    e.*field = row.text();
  e.size = row.integer();
  e.score = row.number();
  e.duration_us = row.integer(), e.store_us = row.integer(), e.dns_us = row.integer();
  e.degraded = row.integer() != 0;
  for (std::string HistoryEntry::*field :
       {&HistoryEntry::exempt, &HistoryEntry::unknown, &HistoryEntry::would, &HistoryEntry::marks,
        &HistoryEntry::log, &HistoryEntry::text, &HistoryEntry::trace})
    e.*field = row.text();
  return e;
}

void bind_entry(sqlite3_stmt* statement, const HistoryEntry& e) {
  Binder to(statement);
  to << e.key << e.sid << e.qid << e.id << static_cast<std::int64_t>(e.stage)
     << static_cast<std::int64_t>(e.action) << std::int64_t{e.code} << e.status << e.rule << e.rev
     << e.policy << e.client << e.ptr << e.helo << e.from << e.to << e.auth << e.size << e.score
     << e.duration_us << e.store_us << e.dns_us << std::int64_t{e.degraded} << e.exempt << e.unknown
     << e.would << e.marks << e.log << e.text << e.trace;
}

// What LIKE looks for: the text as it is, anywhere.
std::string anywhere(const std::string& text) {
  std::string pattern = "%";
  for (const char c : text) {
    if (c == '%' || c == '_' || c == '\\') pattern += '\\';
    pattern += c;
  }
  return pattern + "%";
}

// Conditions of a filter, with the values that they name.
struct Where {
  std::string sql = " WHERE 1";
  std::vector<std::string> texts;
  void both(const char* column, const std::string& text, const std::string& other) {
    if (text.empty()) return;
    sql += fmt::format(" AND ({0} LIKE ? ESCAPE '\\' OR {0} LIKE ? ESCAPE '\\')", column);
    texts.insert(texts.end(), {anywhere(text), anywhere(other.empty() ? text : other)});
  }
  void equal(const char* column, const std::string& text) {
    if (text.empty()) return;
    sql += fmt::format(" AND {} = ?", column);
    texts.push_back(text);
  }
};

Where where_of(const HistoryFilter& f) {
  Where where;
  const std::int64_t since = std::max(f.after, first_key(f.since) - 1);
  where.sql += fmt::format(" AND k > {}", since);
  if (f.until != TimePoint{}) where.sql += fmt::format(" AND k < {}", first_key(f.until));
  if (f.key != 0) where.sql += fmt::format(" AND k = {}", f.key);
  // A partial index is used when its condition stands in the query.
  if (!f.id.empty()) where.sql += " AND id != ''";
  if (!f.qid.empty()) where.sql += " AND qid != ''";
  where.equal("id", f.id);
  where.equal("qid", f.qid);
  where.equal("sid", f.sid);
  if (!f.rule.empty()) {
    where.sql += " AND (rule = ? OR ',' || would LIKE ? ESCAPE '\\')";
    where.texts.insert(where.texts.end(), {f.rule, anywhere("," + f.rule + ":")});
  }
  if (!f.stage.empty()) {
    const auto stage = mail::parse_stage(f.stage);
    where.sql += fmt::format(" AND stage = {}", stage ? static_cast<int>(*stage) : -1);
  }
  if (f.code != 0) where.sql += fmt::format(" AND code = {}", f.code);
  if (f.refusals) where.sql += " AND (act != 0 OR would != '')";
  where.both("sender", f.from, f.or_from);
  where.both("recipient", f.to, f.or_to);
  where.both("sender || ' ' || recipient || ' ' || auth", f.mentions, f.or_from);
  where.both("id || ' ' || qid || ' ' || sid || ' ' || rule || ' ' || client || ' ' || ptr || ' ' || helo || "
             "' ' || sender || ' ' || recipient || ' ' || auth || ' ' || msg",
             f.text, {});
  return where;
}

void bind(sqlite3_stmt* statement, const Where& where) {
  Binder to(statement);
  for (const std::string& text : where.texts) to << text;
}

}  // namespace

struct HistoryFile::Connection {
  sqlite3* db = nullptr;
  std::string path;
  Limits limits;
  std::int64_t counter = 0;
  Statement insert, upsert;
  std::chrono::steady_clock::time_point query_end;

  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    insert.reset();
    upsert.reset();
    sqlite3_close_v2(db);
  }
  Error error() const {
    const int code = sqlite3_errcode(db) & 0xff;
    const bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
    return {damaged ? Cause::Config : Cause::Temporary, path + ": " + sqlite3_errmsg(db)};
  }
  Result<void> run(const std::string& sql) const {
    if (sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return {};
    return tl::unexpected(error());
  }
  Result<Statement> prepare(const std::string& sql) const {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(db, sql.c_str(), -1, &raw, nullptr) != SQLITE_OK)
      return tl::unexpected(error());
    return Statement(raw);
  }
  std::int64_t number(const char* sql) const {
    auto statement = prepare(sql);
    if (!statement || sqlite3_step(statement->get()) != SQLITE_ROW) return 0;
    return sqlite3_column_int64(statement->get(), 0);
  }
  // Runs `take` for each row; false: the time was up.
  template <class Take>
  Result<bool> each(sqlite3_stmt* statement, Take take) {
    query_end = std::chrono::steady_clock::now() + kQueryTime;
    sqlite3_progress_handler(db, kStepsBetweenChecks, &is_too_long, this);
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW && take(statement)) {
    }
    sqlite3_progress_handler(db, 0, nullptr, nullptr);
    if (code == SQLITE_INTERRUPT) return false;
    if (code != SQLITE_DONE && code != SQLITE_ROW) return tl::unexpected(error());
    return true;
  }
  static int is_too_long(void* self) {
    return std::chrono::steady_clock::now() > static_cast<Connection*>(self)->query_end ? 1 : 0;
  }
  Result<void> count_minutes(const std::vector<HistoryEntry>& entries);
};

HistoryFile::HistoryFile(std::unique_ptr<Connection> connection)
    : connection_(std::move(connection)) {}
HistoryFile::HistoryFile(HistoryFile&&) noexcept = default;
HistoryFile& HistoryFile::operator=(HistoryFile&&) noexcept = default;
HistoryFile::~HistoryFile() = default;

Result<HistoryFile> HistoryFile::open(const std::string& path, const Limits& limits) {
  auto connection = std::make_unique<Connection>();
  Connection& c = *connection;
  c.path = path;
  c.limits = limits;
  const mode_t before = ::umask(0077);
  const int opened = sqlite3_open_v2(
      path.c_str(), &c.db,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
      nullptr);
  sqlite3_busy_timeout(c.db, kBusyMilliseconds);
  auto ready = opened == SQLITE_OK ? c.run("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                                           "PRAGMA secure_delete=ON; PRAGMA trusted_schema=OFF;"
                                           "PRAGMA journal_size_limit=16777216;" +
                                           std::string(kTables))
                                   : Result<void>(tl::unexpected(c.error()));
  ::umask(before);
  if (!ready) return tl::unexpected(ready.error());
  const std::int64_t version = c.number("PRAGMA user_version");
  if (version > kSchema) return config_error(path + " was written by a newer version");
  ready = c.run(fmt::format("PRAGMA user_version={}", kSchema));
  if (!ready) return tl::unexpected(ready.error());
  const std::int64_t page = std::max<std::int64_t>(c.number("PRAGMA page_size"), 512);
  ready = c.run(fmt::format("PRAGMA max_page_count={}", limits.max_bytes / page + 64));
  auto insert = c.prepare(fmt::format("INSERT OR IGNORE INTO decision({}) VALUES (?{})", kColumns,
                                      [] {
                                        std::string more;
                                        for (int i = 1; i < kColumnCount; ++i) more += ",?";
                                        return more;
                                      }()));
  auto upsert = c.prepare(
      "INSERT INTO minute(at, what, name, n) VALUES (?,?,?,?) "
      "ON CONFLICT(at, what, name) DO UPDATE SET n = n + excluded.n");
  if (!insert || !upsert) return tl::unexpected(c.error());
  c.insert = std::move(*insert);
  c.upsert = std::move(*upsert);
  c.counter = c.number("SELECT max(k) FROM decision") + 1;
  return HistoryFile(std::move(connection));
}

Result<HistoryFile> HistoryFile::open_for_reading(const std::string& path) {
  auto connection = std::make_unique<Connection>();
  connection->path = path;
  // Read and write: a reader of a WAL file takes part in its shared memory.
  const int opened = sqlite3_open_v2(
      path.c_str(), &connection->db,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, nullptr);
  if (opened != SQLITE_OK) return tl::unexpected(connection->error());
  sqlite3_busy_timeout(connection->db, kBusyMilliseconds);
  if (const auto ready = connection->run("PRAGMA trusted_schema=OFF; PRAGMA secure_delete=ON");
      !ready)
    return tl::unexpected(ready.error());
  return HistoryFile(std::move(connection));
}

// --- writing ---

Result<void> HistoryFile::Connection::count_minutes(const std::vector<HistoryEntry>& entries) {
  std::map<std::tuple<std::int64_t, std::string, std::string>, std::int64_t> counts;
  for (const HistoryEntry& e : entries) {
    const std::int64_t at = milliseconds(e.at) / 60'000 * 60'000;
    const auto count = [&](const char* what, std::string name) {
      if (!name.empty()) ++counts[{at, what, std::move(name)}];
    };
    for (const std::string_view would : split(e.would, ','))
      count("would", std::string(would.substr(0, would.find(':'))));
    if (!e.is_refusal() && e.stage != mail::Stage::End) continue;
    count("act", e.is_refusal() ? std::string(mail::action_name(e.action)) : "accept");
    if (!e.is_refusal()) continue;
    count("code", e.code == 0 ? std::string() : std::to_string(e.code));
    count("rule", e.rule);
    count("stage", std::string(mail::stage_name(e.stage)));
  }
  for (const auto& [key, n] : counts) {
    sqlite3_reset(upsert.get());
    Binder(upsert.get()) << std::get<0>(key) << std::get<1>(key) << std::get<2>(key) << n;
    if (sqlite3_step(upsert.get()) != SQLITE_DONE) return tl::unexpected(error());
  }
  sqlite3_reset(upsert.get());
  return {};
}

Result<void> HistoryFile::add(std::vector<HistoryEntry>& entries) {
  Connection& c = *connection_;
  if (auto begun = c.run("BEGIN IMMEDIATE"); !begun) return begun;
  Result<void> done;
  for (HistoryEntry& e : entries) {
    // Keys rise even when the clock is set back.
    c.counter = std::max(c.counter + 1, first_key(e.at));
    e.key = c.counter;
    sqlite3_reset(c.insert.get());
    bind_entry(c.insert.get(), e);
    if (sqlite3_step(c.insert.get()) == SQLITE_DONE) continue;
    done = tl::unexpected(c.error());
    break;
  }
  sqlite3_reset(c.insert.get());
  if (done) done = c.count_minutes(entries);
  if (done) done = c.run("COMMIT");
  if (!done) (void)c.run("ROLLBACK");
  return done;
}

Result<void> HistoryFile::trim(TimePoint now) {
  Connection& c = *connection_;
  const auto drop = [&](const std::string& which) {
    return c.run(fmt::format("DELETE FROM decision WHERE k IN (SELECT k FROM decision {} ORDER BY k LIMIT {})",
                             which, kTrimAtOnce));
  };
  if (auto old = drop(fmt::format("WHERE k < {}", first_key(now - c.limits.keep))); !old) return old;
  const Duration minutes = std::max(c.limits.keep, kMinutesKept);
  if (auto old = c.run(fmt::format("DELETE FROM minute WHERE at < {}", milliseconds(now - minutes))); !old)
    return old;
  const std::int64_t used = c.number("PRAGMA page_count") - c.number("PRAGMA freelist_count");
  if (used * c.number("PRAGMA page_size") > c.limits.max_bytes / 10 * 9) return drop("");
  return {};
}

Result<std::vector<std::int64_t>> HistoryFile::keys_naming(const std::string& address,
                                                           const std::string& other_spelling) {
  Connection& c = *connection_;
  auto statement = c.prepare(fmt::format("SELECT {} FROM decision", kColumns));
  if (!statement) return tl::unexpected(statement.error());
  std::vector<std::int64_t> keys;
  while (sqlite3_step(statement->get()) == SQLITE_ROW) {
    const HistoryEntry e = read_entry(statement->get());
    const std::string all = e.from + " " + e.to + " " + e.auth + " " + e.text + " " + e.log + " " +
                            e.helo + " " + e.trace;
    if (mentions_address(all, address) ||
        (!other_spelling.empty() && mentions_address(all, other_spelling)))
      keys.push_back(e.key);
  }
  return keys;
}

Result<std::size_t> HistoryFile::mentions(const std::string& address,
                                          const std::string& other_spelling) {
  const auto keys = keys_naming(address, other_spelling);
  if (!keys) return tl::unexpected(keys.error());
  return keys->size();
}

Result<std::size_t> HistoryFile::erase(const std::string& address,
                                       const std::string& other_spelling) {
  Connection& c = *connection_;
  const auto keys = keys_naming(address, other_spelling);
  if (!keys) return tl::unexpected(keys.error());
  if (auto begun = c.run("BEGIN IMMEDIATE"); !begun) return tl::unexpected(begun.error());
  for (const std::int64_t key : *keys) {
    if (auto gone = c.run(fmt::format("DELETE FROM decision WHERE k = {}", key)); !gone) {
      (void)c.run("ROLLBACK");
      return tl::unexpected(gone.error());
    }
  }
  if (auto done = c.run("COMMIT"); !done) return tl::unexpected(done.error());
  (void)c.run("PRAGMA wal_checkpoint(TRUNCATE)");
  return keys->size();
}

// --- reading ---

Result<HistoryRows> HistoryFile::find(const HistoryFilter& filter) {
  Connection& c = *connection_;
  const Where where = where_of(filter);
  const bool forward = filter.after != 0;
  auto statement = c.prepare(fmt::format("SELECT {} FROM decision{} ORDER BY k {}", kColumns,
                                         where.sql, forward ? "ASC" : "DESC"));
  if (!statement) return tl::unexpected(statement.error());
  bind(statement->get(), where);
  HistoryRows rows;
  const std::size_t limit = std::min(filter.limit, kMaxHistoryRows);
  const auto whole = c.each(statement->get(), [&](sqlite3_stmt* row) {
    HistoryEntry e = read_entry(row);
    rows.looked_back_to = e.at;
    if (filter.client) {
      const auto ip = IpAddress::parse(e.client);
      if (!ip || !filter.client->contains(*ip)) return true;
    }
    rows.entries.push_back(std::move(e));
    return rows.entries.size() < limit;
  });
  if (!whole) return tl::unexpected(whole.error());
  rows.is_cut = !*whole;
  return rows;
}

Result<HistoryRows> HistoryFile::session(const std::string& sid) {
  HistoryFilter filter;
  filter.sid = sid;
  filter.limit = 200;
  auto rows = find(filter);
  if (rows) std::reverse(rows->entries.begin(), rows->entries.end());
  return rows;
}

Result<std::vector<HistoryCount>> HistoryFile::top(const std::string& field,
                                                   const HistoryFilter& filter, bool& is_cut,
                                                   TimePoint& looked_back_to) {
  static const std::map<std::string, const char*> kFields{{"rule", "rule"},
                                                          {"code", "code"},
                                                          {"client", "client"},
                                                          {"from", "sender"},
                                                          {"to", "recipient"}};
  const auto column = kFields.find(field);
  if (column == kFields.end()) return permanent("no field `" + field + "`");
  const Where where = where_of(filter);
  auto statement = connection_->prepare(fmt::format(
      "SELECT k, {}, act != 0, stage FROM decision{} ORDER BY k DESC", column->second, where.sql));
  if (!statement) return tl::unexpected(statement.error());
  bind(statement->get(), where);
  std::map<std::string, HistoryCount> counts;
  const auto whole = connection_->each(statement->get(), [&](sqlite3_stmt* raw) {
    Row row(raw);
    looked_back_to = time_of(row.integer());
    std::string name = row.text();
    const bool refused = row.integer() != 0;
    const bool is_message = row.integer() == static_cast<std::int64_t>(mail::Stage::End);
    if (!refused && !is_message) return true;
    if (name.empty() || (field == "code" && name == "0")) return true;
    if (counts.size() >= kMaxNames && counts.count(name) == 0) return true;
    HistoryCount& count = counts[name];
    count.name = std::move(name);
    ++count.all;
    if (refused) ++count.refused;
    return true;
  });
  if (!whole) return tl::unexpected(whole.error());
  is_cut = !*whole;
  std::vector<HistoryCount> list;
  for (auto& [name, count] : counts) list.push_back(std::move(count));
  std::stable_sort(list.begin(), list.end(), [](const HistoryCount& a, const HistoryCount& b) {
    return std::tie(a.refused, a.all) > std::tie(b.refused, b.all);
  });
  if (list.size() > filter.limit) list.resize(filter.limit);
  return list;
}

Result<std::vector<HistoryPoint>> HistoryFile::series(const std::string& what, TimePoint since,
                                                      Duration step) {
  const std::int64_t width = std::max<std::int64_t>(step.count(), 60'000);
  auto statement = connection_->prepare(fmt::format(
      "SELECT at / {0} * {0}, name, sum(n) FROM minute WHERE at >= {1} AND what = ? GROUP BY 1, 2", width,
      milliseconds(since)));
  if (!statement) return tl::unexpected(statement.error());
  Binder(statement->get()) << what;
  std::vector<HistoryPoint> points;
  const auto whole = connection_->each(statement->get(), [&](sqlite3_stmt* raw) {
    Row row(raw);
    HistoryPoint point;
    point.at = TimePoint{Duration{row.integer()}};
    point.name = row.text();
    point.n = static_cast<std::uint64_t>(std::max<std::int64_t>(row.integer(), 0));
    points.push_back(std::move(point));
    return points.size() < 100'000;
  });
  if (!whole) return tl::unexpected(whole.error());
  return points;
}

std::int64_t HistoryFile::bytes() const {
  return connection_->number("PRAGMA page_count") * connection_->number("PRAGMA page_size");
}

}  // namespace sluice::app
