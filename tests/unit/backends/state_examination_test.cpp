#include "backends/state_examination.h"

#include <sqlite3.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <set>

#include "store_worlds.h"

namespace sluice::backends {
namespace {

using Catch::Matchers::Contains;
namespace fs = std::filesystem;

// A state with some rows, as a service that was ended has left it.
void fill(const fs::path& folder) {
  VirtualClock clock;
  const auto store = EmbeddedStore::open(folder, clock);
  REQUIRE(store);
  for (int i = 0; i < 2000; ++i) ask(**store, GreylistRecord{std::to_string(i) + "-name", "", hours(9)});
  REQUIRE((*store)->flush(std::chrono::minutes(2)));
}

int run_sql(const fs::path& folder, const std::string& sql) {
  sqlite3* db = nullptr;
  sqlite3_open((folder / "state.db").c_str(), &db);
  const int result = sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr);
  sqlite3_close(db);
  return result;
}

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename());
  return names;
}

std::string found_in(const fs::path& folder) {
  const auto names = names_in(folder);
  const auto sound = examine_state(folder);
  CHECK(names_in(folder) == names);  // nothing is left behind
  if (sound) return {};
  CHECK(sound.error().cause == Cause::Config);
  return sound.error().what;
}

TEST_CASE("state examination: a sound state, none, and one of a first start have no mistake") {
  TemporaryFolder folder;
  CHECK(found_in(folder.path()).empty());
  CHECK(examine_state(folder.path() / "not" / "there"));
  std::ofstream(folder.path() / "state.db").flush();
  CHECK(found_in(folder.path()).empty());
  fill(folder.path());
  CHECK(found_in(folder.path()).empty());
}

TEST_CASE("state examination: damage is found wherever a start would meet it, with the cure") {
  TemporaryFolder folder;
  fill(folder.path());
  const fs::path file = folder.path() / "state.db";
  SECTION("another kind of file") { std::ofstream(file) << std::string(9000, 'x'); }
  SECTION("its end is missing") { fs::resize_file(file, fs::file_size(file) / 2); }
  SECTION("a format of the future") {
    std::fstream header(file, std::ios::in | std::ios::out | std::ios::binary);
    header.seekp(47).put('\x09');
  }
  SECTION("pages in the middle") {
    std::fstream pages(file, std::ios::in | std::ios::out | std::ios::binary);
    const auto size = static_cast<std::streamoff>(fs::file_size(file));
    pages.seekp(size / 2) << std::string(static_cast<std::size_t>(size / 2), '\xff');
  }
  SECTION("other tables") {
    REQUIRE(run_sql(folder.path(), "DROP TABLE greylist; CREATE TABLE greylist(a)") == SQLITE_OK);
  }
  const std::string what = found_in(folder.path());
  CHECK_THAT(what, Contains(file.string() + " is damaged") &&
                       Contains("cd " + folder.path().string() + " && mkdir damaged"));
  VirtualClock clock;
  const auto opened = EmbeddedStore::open(folder.path(), clock);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().cause == Cause::Config);
}

TEST_CASE("state examination: the state of a newer version is told") {
  TemporaryFolder folder;
  fill(folder.path());
  REQUIRE(run_sql(folder.path(), "UPDATE meta SET value = 99 WHERE name = 'schema'") == SQLITE_OK);
  CHECK_THAT(found_in(folder.path()), Contains("has schema 99"));
}

TEST_CASE("state examination: what a running service uses is left to it") {
  TemporaryFolder folder;
  VirtualClock clock;
  const auto store = EmbeddedStore::open(folder.path(), clock);
  REQUIRE(store);
  std::ofstream(folder.path() / "state.db") << "damaged";
  CHECK(found_in(folder.path()).empty());
}

TEST_CASE("state examination: what a killed service has left beside the file is read with it") {
  TemporaryFolder living, killed;
  VirtualClock clock;
  const auto store = EmbeddedStore::open(living.path(), clock);
  REQUIRE(store);
  ask(**store, GreylistRecord{"name", "", hours(9)});
  REQUIRE((*store)->flush(std::chrono::minutes(2)));
  for (const char* name : {"state.db", "state.db-wal", "state.db-shm"})
    fs::copy_file(living.path() / name, killed.path() / name);
  REQUIRE(fs::file_size(killed.path() / "state.db-wal") > 0);
  CHECK(found_in(killed.path()).empty());
  // Pages that the log has too are no loss: what is said is what a start comes to.
  std::ofstream(killed.path() / "state.db") << std::string(9000, 'x');
  const bool is_sound = found_in(killed.path()).empty();
  CHECK(is_sound == EmbeddedStore::open(killed.path(), clock).has_value());
}

}  // namespace
}  // namespace sluice::backends
