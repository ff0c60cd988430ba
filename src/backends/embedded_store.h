// EmbeddedStore: the state of one host, decided in memory and kept in a SQLite file beside it.
//
// Every submission is one atomic step. What it changes is on disk at most 50 ms later: a killed
// process loses no more, the file survives power loss undamaged. Committed use, grants, greylist,
// lists and values seen survive a restart; reservations do not. When the disk fails, decisions go
// on from memory and health() says so.
//
// The store is bounded: each kind has a cap, and all together have one. What is dropped is what
// would have expired first; above the common cap first contacts of the greylist go first, then
// limits, then values seen, then passed entries. List entries are dropped by their own cap only,
// permanent ones never.
//
// Threads: any. submit() answers before it returns. The clock must outlive the store and, unless it
// may be read by several threads at once, is only used by one thread at a time.
#pragma once
#include <filesystem>
#include <memory>

#include "backends/reserves_at_once.h"
#include "backends/state_store.h"
#include "base/result.h"

namespace sluice::backends {

struct EmbeddedOptions {
  Duration write_interval{25};      // between batches; 50 ms is promised with time to write them
  bool sync_each_batch = false;     // an fsync for each: power loss loses no more than a kill
  std::int64_t max_file_bytes = 0;  // 0: as the disk allows

  // Of all kinds together: 300 bytes of memory for each greylist entry, 900 for a limit with two
  // windows.
  std::size_t max_entries = 1'000'000;
  std::size_t max_limits = 200'000;  // keys
  std::size_t max_values = 500'000;  // of distinct; beyond it a value counts each time it comes
  std::size_t max_reservations = 200'000;  // at one time; beyond it: not available
  std::size_t max_settled = 1'000'000;     // ids remembered for kSettledMemory
  std::size_t max_first_seen = 300'000;    // greylist entries that wait
  std::size_t max_passed = 500'000;
  std::size_t max_auto_allowed = 100'000;
  std::size_t max_list_entries = 200'000;
  std::size_t max_seen = 300'000;
};

class EmbeddedStore final : public StateStore, public ReservesAtOnce {
 public:
  // Opens or creates state.db in the folder (which is created when missing) and loads it. Errors:
  // Temporary when another process uses the folder or the disk fails; Config when the folder cannot
  // be used, or the file is damaged or written by a newer version.
  static Result<std::unique_ptr<EmbeddedStore>> open(const std::filesystem::path& folder,
                                                     const Clock& clock,
                                                     EmbeddedOptions options = {});
  ~EmbeddedStore() override;  // writes what is left

  void submit(std::vector<StateOp> ops, StateDone done) override;
  bool answers_at_once() const override { return true; }
  std::optional<StateAnswer> reserve_at_once(const Reserve& op) override;
  bool commit_at_once(std::span<const Reserve* const> reserved) override;
  std::vector<StateEntry> show(const StateQuery& query) override;
  std::size_t forget(StateEntry::Kind kind, const std::string& filter) override;
  std::size_t grant(const std::string& filter, std::int64_t extra, Duration keep) override;
  StateHealth health() const override;

  bool flush(Duration most) override;  // to disk
  // Submissions that may have changed something, and how many of them are on disk, in order.
  struct Progress {
    std::uint64_t changes = 0, written = 0;
    Duration unwritten_for{0};
  };
  Progress progress() const;

 private:
  struct State;
  explicit EmbeddedStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace sluice::backends
