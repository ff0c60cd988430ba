#include "backends/embedded_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <mutex>

#include "backends/embedded_greylist.h"
#include "backends/embedded_limits.h"
#include "backends/embedded_lists.h"
#include "backends/entry_order.h"
#include "backends/state_writer.h"
#include "backends/steady_time.h"

namespace sluice::backends {

namespace {

// Held as long as the store lives, and gone with its process.
class FolderLock {
 public:
  FolderLock() = default;
  FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FolderLock& operator=(FolderLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FolderLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  static Result<FolderLock> take(const std::filesystem::path& path) {
    FolderLock lock;
    lock.fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock.fd_ < 0)
      return config_error(fmt::format("{}: {}", path.string(), std::strerror(errno)));
    if (::flock(lock.fd_, LOCK_EX | LOCK_NB) != 0)
      return temporary(fmt::format("{}: another process uses this state", path.string()));
    return lock;
  }

 private:
  int fd_ = -1;
};

bool changes_nothing(const StateOp& op) {
  return std::holds_alternative<Peek>(op) || std::holds_alternative<GreylistLook>(op) ||
         std::holds_alternative<ListContains>(op) || std::holds_alternative<Seen>(op) ||
         std::holds_alternative<Reserve>(op) || std::holds_alternative<Release>(op) ||
         std::holds_alternative<Renew>(op);
}

std::string grouped(std::size_t n) {
  auto text = std::to_string(n);
  for (auto place = static_cast<std::ptrdiff_t>(text.size()) - 3; place > 0; place -= 3)
    text.insert(static_cast<std::size_t>(place), ",");
  return text;
}

}  // namespace

struct EmbeddedStore::State {
  State(const Clock& of, const EmbeddedOptions& o)
      : clock(of),
        options(o),
        limits({o.max_limits, o.max_values, o.max_reservations, o.max_settled}),
        greylist({o.max_first_seen, o.max_passed, o.max_auto_allowed}),
        lists(o.max_list_entries),
        seen(o.max_seen) {}

  const Clock& clock;
  const EmbeddedOptions options;
  FolderLock folder;
  mutable std::mutex mutex;
  SteadyTime time;
  EmbeddedLimits limits;
  EmbeddedGreylist greylist;
  EmbeddedLists lists;
  EmbeddedSeen seen;
  unsigned turn = 0;
  std::unique_ptr<StateWriter> writer;  // the last member: it stops before the rest goes

  TimePoint now() { return time.advance(clock.now()); }

  template <class Op>
  StateAnswer apply(const Op& op, TimePoint t) {
    if constexpr (requires { limits.apply(op, t); })
      return limits.apply(op, t);
    else if constexpr (requires { greylist.apply(op, t); })
      return greylist.apply(op, t);
    else
      return lists.apply(op, t);
  }
  StateAnswer apply(const Seen& op, TimePoint t) {
    auto answer = seen.apply(op, t);
    if (answer.first_seen) answer.first_seen = time.on_clock(*answer.first_seen);
    if (answer.last_seen) answer.last_seen = time.on_clock(*answer.last_seen);
    return answer;
  }
  StateAnswer apply(const SeenRecord& op, TimePoint t) { return seen.apply(op, t); }

  std::size_t entries() const {
    return limits.size() + greylist.size() + lists.size() + seen.size();
  }
  void sweep(TimePoint t);
  Result<void> load(SqliteFile& file);
  void show_part(StateEntry::Kind kind, std::size_t part, const std::string& filter,
                 std::vector<StateEntry>& out);
  std::size_t forget_part(StateEntry::Kind kind, std::size_t part, const std::string& filter,
                          TimePoint t);
};

// A little after each submission, of one kind at a time.
void EmbeddedStore::State::sweep(TimePoint t) {
  constexpr std::size_t kAtATime = 12;
  switch (turn++ % 4) {
    case 0:
      limits.sweep(t, kAtATime);
      break;
    case 1:
      greylist.sweep(t, kAtATime);
      break;
    case 2:
      lists.sweep(t, kAtATime);
      break;
    default:
      seen.sweep(t, kAtATime);
      break;
  }
  while (entries() > options.max_entries) {
    if (!greylist.evict_first_seen() && !limits.evict_one(t) && !seen.evict_one() &&
        !greylist.evict_passed())
      return;
  }
}

Result<void> EmbeddedStore::State::load(SqliteFile& file) {
  auto done = file.read(Table::Meta, [&](const RowReader& row) {
    if (row.bytes(0) == "time") time = SteadyTime(row.time(1));
  });
  const auto t = now().time_since_epoch().count();
  const auto read = [&](Table table, auto&& take) {
    if (done) done = file.read_live(table, t, take);
  };
  read(Table::Limits, [&](const RowReader& row) { limits.load_series(row); });
  read(Table::LimitValues, [&](const RowReader& row) { limits.load_value(row); });
  limits.loaded();
  read(Table::Greylist, [&](const RowReader& row) { greylist.load_entry(row); });
  read(Table::AutoAllowed, [&](const RowReader& row) { greylist.load_auto_allowed(row); });
  read(Table::ListEntries, [&](const RowReader& row) { lists.load(row); });
  read(Table::Seen, [&](const RowReader& row) { seen.load(row); });
  sweep(time.last());
  return done;
}

Result<std::unique_ptr<EmbeddedStore>> EmbeddedStore::open(const std::filesystem::path& folder,
                                                           const Clock& clock,
                                                           EmbeddedOptions options) {
  std::error_code
      ignored;  // a folder that cannot be made cannot be locked either, and that error tells more
  std::filesystem::create_directories(folder, ignored);
  auto lock = FolderLock::take(folder / "state.lock");
  if (!lock) return tl::unexpected<Error>(lock.error());
  auto file =
      SqliteFile::open(folder / "state.db", {options.sync_each_batch, options.max_file_bytes});
  if (!file) return tl::unexpected<Error>(file.error());
  auto state = std::make_unique<State>(clock, options);
  state->folder = std::move(*lock);
  if (auto loaded = state->load(*file); !loaded) return tl::unexpected<Error>(loaded.error());
  auto& s = *state;
  auto sources = s.greylist.changes();
  sources.insert(sources.end(), {&s.limits.changes(), &s.lists.changes(), &s.seen.changes()});
  s.writer = std::make_unique<StateWriter>(
      std::move(*file), s.mutex, std::move(sources), [&s] { return s.time.last(); },
      options.write_interval);
  return std::unique_ptr<EmbeddedStore>(new EmbeddedStore(std::move(state)));
}

EmbeddedStore::EmbeddedStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
EmbeddedStore::~EmbeddedStore() = default;

void EmbeddedStore::submit(std::vector<StateOp> ops, StateDone done) {
  std::vector<StateAnswer> answers;
  answers.reserve(ops.size());
  bool changes = false;
  {
    const std::lock_guard lock(state_->mutex);
    const auto now = state_->now();
    for (const auto& op : ops) {
      answers.push_back(std::visit([&](const auto& o) { return state_->apply(o, now); }, op));
      changes |= !changes_nothing(op);
    }
    state_->sweep(now);
    if (changes) state_->writer->changed();
  }
  done(std::move(answers));
}

std::optional<StateAnswer> EmbeddedStore::reserve_at_once(const Reserve& op) {
  const std::lock_guard lock(state_->mutex);
  const auto now = state_->now();
  auto answer = state_->limits.apply(op, now);
  state_->sweep(now);
  return answer;
}

bool EmbeddedStore::commit_at_once(std::span<const Reserve* const> reserved) {
  const std::lock_guard lock(state_->mutex);
  const auto now = state_->now();
  for (const Reserve* one : reserved) state_->limits.commit(*one, now);
  state_->sweep(now);
  state_->writer->changed();
  return true;
}

void EmbeddedStore::State::show_part(StateEntry::Kind kind, std::size_t part,
                                     const std::string& filter, std::vector<StateEntry>& out) {
  const std::lock_guard lock(mutex);
  const auto t = now();
  const auto first_new = out.size();
  switch (kind) {
    case StateEntry::Kind::Limit:
      limits.show(part, filter, t, out);
      break;
    case StateEntry::Kind::Greylist:
      greylist.show(part, filter, t, out);
      break;
    case StateEntry::Kind::List:
      lists.show(part, filter, t, out);
      break;
    case StateEntry::Kind::Seen:
      seen.show(part, filter, t, out);
      break;
  }
  for (auto i = first_new; i < out.size(); ++i) {
    if (out[i].first != TimePoint{}) out[i].first = time.on_clock(out[i].first);
    if (out[i].expires != TimePoint{}) out[i].expires = time.on_clock(out[i].expires);
  }
}

// Each part by itself, so that decisions wait for a moment only; between parts all but the best are
// dropped.
std::vector<StateEntry> EmbeddedStore::show(const StateQuery& query) {
  constexpr std::size_t kEnough = 10'000;
  std::vector<StateEntry> entries;
  for (std::size_t part = 0; part < ChangeSource::kParts; ++part) {
    state_->show_part(query.kind, part, query.filter, entries);
    if (entries.size() > query.limit && entries.size() > kEnough) order_entries(entries, query);
  }
  order_entries(entries, query);
  return entries;
}

std::size_t EmbeddedStore::State::forget_part(StateEntry::Kind kind, std::size_t part,
                                              const std::string& filter, TimePoint t) {
  switch (kind) {
    case StateEntry::Kind::Limit:
      return limits.forget(part, filter, t);
    case StateEntry::Kind::Greylist:
      return greylist.forget(part, filter, t);
    case StateEntry::Kind::List:
      return lists.forget(part, filter, t);
    case StateEntry::Kind::Seen:
      return seen.forget(part, filter, t);
  }
  return 0;
}

std::size_t EmbeddedStore::forget(StateEntry::Kind kind, const std::string& filter) {
  std::size_t count = 0;
  for (std::size_t part = 0; part < ChangeSource::kParts; ++part) {
    const std::lock_guard lock(state_->mutex);
    const auto forgotten = state_->forget_part(kind, part, filter, state_->now());
    if (forgotten > 0) state_->writer->changed();
    count += forgotten;
  }
  return count;
}

std::size_t EmbeddedStore::grant(const std::string& filter, std::int64_t extra, Duration keep) {
  std::size_t count = 0;
  for (std::size_t part = 0; part < ChangeSource::kParts; ++part) {
    const std::lock_guard lock(state_->mutex);
    const auto now = state_->now();
    const auto granted = state_->limits.grant(part, filter, extra, now + keep, now);
    if (granted > 0) state_->writer->changed();
    count += granted;
  }
  return count;
}

StateHealth EmbeddedStore::health() const {
  const auto report = state_->writer->report();
  StateHealth health;
  health.degraded = !report.error.empty();
  health.errors = report.errors;
  const std::lock_guard lock(state_->mutex);
  health.what =
      fmt::format("embedded, {} limits, {} greylist entries, {} list entries, {} values seen",
                  grouped(state_->limits.size()), grouped(state_->greylist.size()),
                  grouped(state_->lists.size()), grouped(state_->seen.size()));
  if (report.changes == report.written) {
    health.what += ", all on disk";
  } else {
    health.what += fmt::format(", not on disk yet: the last {} ms", report.unwritten_for.count());
  }
  if (health.degraded) health.what += fmt::format("; in memory only: {}", report.error);
  return health;
}

bool EmbeddedStore::flush(Duration most) { return state_->writer->flush(most); }

EmbeddedStore::Progress EmbeddedStore::progress() const {
  const auto report = state_->writer->report();
  return {report.changes, report.written, report.unwritten_for};
}

}  // namespace sluice::backends
