#include "backends/stored_row.h"

#include <array>

namespace sluice::backends {

namespace {

constexpr std::array<TableText, kTables> kTexts{{
    {"limits",
     "CREATE TABLE IF NOT EXISTS limits (key BLOB, kind INTEGER, period INTEGER, name TEXT, used "
     "INTEGER, "
     "state BLOB, extra INTEGER, extra_until INTEGER, expires INTEGER, "
     "PRIMARY KEY (key, kind, period)) WITHOUT ROWID;"
     "CREATE INDEX IF NOT EXISTS limits_expires ON limits (expires)",
     "INSERT OR REPLACE INTO limits VALUES (?,?,?,?,?,?,?,?,?)",
     "UPDATE limits SET name = ?4, used = ?5, state = ?6, extra = ?7, extra_until = ?8 "
     "WHERE key = ?1 AND kind = ?2 AND period = ?3 AND expires = ?9",
     "DELETE FROM limits WHERE key = ?",
     "SELECT key, kind, period, name, state, extra, extra_until FROM limits", true},
    {"limit_values",
     "CREATE TABLE IF NOT EXISTS limit_values (key BLOB, period INTEGER, value TEXT, sub_window "
     "INTEGER, "
     "expires INTEGER, PRIMARY KEY (key, period, value)) WITHOUT ROWID;"
     "CREATE INDEX IF NOT EXISTS limit_values_expires ON limit_values (expires)",
     "INSERT OR REPLACE INTO limit_values VALUES (?,?,?,?,?)", nullptr,
     "DELETE FROM limit_values WHERE key = ?",
     "SELECT key, period, value, sub_window FROM limit_values", true},
    {"greylist",
     "CREATE TABLE IF NOT EXISTS greylist (key BLOB PRIMARY KEY, name TEXT, passed INTEGER, first "
     "INTEGER, "
     "expires INTEGER) WITHOUT ROWID;"
     "CREATE INDEX IF NOT EXISTS greylist_expires ON greylist (expires)",
     "INSERT OR REPLACE INTO greylist VALUES (?,?,?,?,?)", nullptr,
     "DELETE FROM greylist WHERE key = ?",
     "SELECT key, name, passed, first, expires FROM greylist", true},
    {"auto_allowed",
     "CREATE TABLE IF NOT EXISTS auto_allowed (key BLOB PRIMARY KEY, until INTEGER, came_back "
     "BLOB, "
     "expires INTEGER) WITHOUT ROWID;"
     "CREATE INDEX IF NOT EXISTS auto_allowed_expires ON auto_allowed (expires)",
     "INSERT OR REPLACE INTO auto_allowed VALUES (?,?,?,?)", nullptr,
     "DELETE FROM auto_allowed WHERE key = ?",
     "SELECT key, until, came_back, expires FROM auto_allowed", true},
    {"list_entries",
     "CREATE TABLE IF NOT EXISTS list_entries (list TEXT, value TEXT, network TEXT, added INTEGER, "
     "expires INTEGER, PRIMARY KEY (list, value)) WITHOUT ROWID;"
     "CREATE INDEX IF NOT EXISTS list_entries_expires ON list_entries (expires)",
     "INSERT OR REPLACE INTO list_entries VALUES (?,?,?,?,?)", nullptr,
     "DELETE FROM list_entries WHERE list = ? AND value = ?",
     "SELECT list, value, network, added, expires FROM list_entries", true},
    {"seen",
     "CREATE TABLE IF NOT EXISTS seen (key BLOB PRIMARY KEY, first INTEGER, last INTEGER, expires "
     "INTEGER) "
     "WITHOUT ROWID;"
     "CREATE INDEX IF NOT EXISTS seen_expires ON seen (expires)",
     "INSERT OR REPLACE INTO seen VALUES (?,?,?,?)", nullptr, "DELETE FROM seen WHERE key = ?",
     "SELECT key, first, last, expires FROM seen", true},
    {"meta", "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID",
     "INSERT OR REPLACE INTO meta VALUES (?,?)", nullptr, "DELETE FROM meta WHERE name = ?",
     "SELECT name, value FROM meta", false},
}};

}  // namespace

const TableText& text_of(Table table) { return kTexts.at(static_cast<std::size_t>(table)); }

}  // namespace sluice::backends
