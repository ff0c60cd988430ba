// HistoryFile: history.db in the state folder: decisions, and per minute how many there were of each
// action, code, rule and stage. SQLite with WAL, so that readers never hold up the writer.
//
// Errors: Temporary for a full or failing disk, Config for a file that is damaged or newer than us.
// Threads: one at a time; each thread that reads opens its own.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "app/history_entry.h"
#include "base/ip_address.h"
#include "base/result.h"

namespace sluice::app {

inline constexpr Duration kQueryTime{3'000};  // a look back ends then and says how far it came
inline constexpr std::size_t kMaxHistoryRows = 5'000;  // of one answer

// Which decisions; empty fields are not asked for. All that are given must fit.
struct HistoryFilter {
  TimePoint since{}, until{};         // until: not given when 0
  std::int64_t after = 0;             // only later than this key, oldest first
  std::int64_t key = 0;               // this one
  std::string id, qid, sid, rule, stage;
  int code = 0;
  std::string from, to;               // part of the address, any case; or of its redacted form
  std::string or_from, or_to;         // a second spelling of from and to
  std::string mentions;               // an address in from, to or auth; or_from is its other spelling
  std::string text;                   // part of any of the fields that are shown
  std::optional<Network> client;
  bool refusals = false;              // only what was answered, or would have been
  std::size_t limit = 50;
};

// An answer, and whether the time was up before all was looked at.
struct HistoryRows {
  std::vector<HistoryEntry> entries;
  bool is_cut = false;
  TimePoint looked_back_to{};
};

struct HistoryCount {
  std::string name;
  std::uint64_t refused = 0, all = 0;
};

// One minute (or several, when asked so) of the plots.
struct HistoryPoint {
  TimePoint at{};
  std::string name;
  std::uint64_t n = 0;
};

class HistoryFile {
 public:
  struct Limits {
    Duration keep{7 * 86'400'000LL};
    std::int64_t max_bytes = 1LL << 30;
  };
  // Creates it (mode 0600) when it is missing.
  static Result<HistoryFile> open(const std::string& path, const Limits& limits);
  // For looking only; Temporary when there is none yet.
  static Result<HistoryFile> open_for_reading(const std::string& path);
  HistoryFile(HistoryFile&&) noexcept;
  HistoryFile& operator=(HistoryFile&&) noexcept;
  ~HistoryFile();

  // All or none. Gives each entry its key.
  Result<void> add(std::vector<HistoryEntry>& entries);
  // Drops what is too old, and the oldest when the file is full; a bounded amount at a time.
  Result<void> trim(TimePoint now);
  // How many decisions name the address, anywhere in what is kept of them.
  Result<std::size_t> mentions(const std::string& address, const std::string& other_spelling);
  // Removes them, and what they left on the disk. How many.
  Result<std::size_t> erase(const std::string& address, const std::string& other_spelling);

  // Newest first; with `after` oldest first.
  Result<HistoryRows> find(const HistoryFilter& filter);
  // The same session's decisions, oldest first.
  Result<HistoryRows> session(const std::string& sid);
  // field: rule, code, client, from or to. The most refusals first.
  Result<std::vector<HistoryCount>> top(const std::string& field, const HistoryFilter& filter,
                                        bool& is_cut, TimePoint& looked_back_to);
  // what: act, code, rule, stage or would.
  Result<std::vector<HistoryPoint>> series(const std::string& what, TimePoint since, Duration step);
  std::int64_t bytes() const;

 private:
  struct Connection;
  Result<std::vector<std::int64_t>> keys_naming(const std::string& address,
                                                const std::string& other_spelling);
  explicit HistoryFile(std::unique_ptr<Connection> connection);
  std::unique_ptr<Connection> connection_;
};

}  // namespace sluice::app
