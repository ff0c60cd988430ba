#include "backends/state_transfer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "backends/embedded_store.h"
#include "backends/limit_series.h"
#include "backends/redis_answers.h"
#include "backends/redis_store_core.h"
#include "backends/sqlite_file.h"

namespace sluice::backends {

namespace {

using Arguments = std::vector<std::string>;

constexpr std::size_t kAtOnce = 200;  // calls

std::string digits(std::int64_t n) { return std::to_string(n); }
std::string digits(TimePoint t) { return digits(t.time_since_epoch().count()); }

// All that is on disk of one limit.
struct KeptLimit {
  std::string name;
  std::int64_t extra = 0;
  TimePoint extra_until{};
  struct Series {
    std::int64_t kind = 0;
    LimitSeries series;
    std::vector<std::pair<std::string, std::int64_t>> values;
  };
  std::vector<Series> series;
};

class Transfer {
 public:
  Transfer(RedisStore& to, const std::function<void(const TransferCounts&)>& progress)
      : core_(to.core()), settings_(core_.settings()), progress_(progress) {}

  Result<TransferCounts> run(SqliteFile& file, TimePoint now) {
    const auto t = now.time_since_epoch().count();
    Result<void> read;
    const auto each = [&](Table table, const auto& take) {
      if (read) read = file.read_live(table, t, take);
    };
    each(Table::Limits, [&](const RowReader& row) { take_series(row); });
    each(Table::LimitValues, [&](const RowReader& row) { take_value(row); });
    for (const auto& [key, limit] : limits_) send_limit(key, limit);
    limits_.clear();
    each(Table::Greylist, [&](const RowReader& row) { send_greylist(row); });
    each(Table::AutoAllowed, [&](const RowReader& row) { send_auto_allowed(row); });
    each(Table::ListEntries, [&](const RowReader& row) { send_list_entry(row); });
    each(Table::Seen, [&](const RowReader& row) { send_seen(row); });
    flush();
    if (!read) return tl::unexpected<Error>(read.error());
    if (failed_ > 0)
      return temporary(fmt::format("redis did not take {} of {} entries; {}", failed_, counts_.read,
                                   "repeat it when redis answers"));
    return counts_;
  }

 private:
  void take_series(const RowReader& row) {
    const auto kind = row.integer(1);
    if (kind < 0 || kind > static_cast<std::int64_t>(SeriesKind::Bucket)) return;
    auto& limit = limits_[std::string(row.bytes(0))];
    limit.name = row.bytes(3);
    limit.extra = limited_units(row.integer(5));
    limit.extra_until = row.time(6);
    LimitSeries series(static_cast<SeriesKind>(kind), limited_period(Duration{row.integer(2)}));
    series.load(row.bytes(4));
    limit.series.push_back({kind + 1, std::move(series), {}});
  }

  void take_value(const RowReader& row) {
    const auto limit = limits_.find(std::string(row.bytes(0)));
    if (limit == limits_.end()) return;
    const auto period = limited_period(Duration{row.integer(1)});
    for (auto& one : limit->second.series) {
      if (one.series.kind() == SeriesKind::Values && one.series.period() == period)
        one.values.emplace_back(core_.keys().short_hash(row.bytes(2)), row.integer(3));
    }
  }

  void send_limit(const std::string& key, const KeptLimit& limit) {
    Arguments to{"import", name_of(limit.name), digits(limit.extra), digits(limit.extra_until),
                 digits(static_cast<std::int64_t>(limit.series.size()))};
    for (const auto& one : limit.series) {
      to.push_back(digits(one.kind));
      to.push_back(digits(one.series.period().count()));
      if (one.series.kind() == SeriesKind::Bucket) {
        const auto bucket = one.series.bucket();
        const auto period = one.series.period().count();
        to.push_back(digits(static_cast<std::int64_t>(bucket.debt / period)));
        to.push_back(digits(static_cast<std::int64_t>(bucket.debt % period)));
        to.push_back(digits(bucket.at));
        to.push_back(digits(limited_units(bucket.refill_count)));
      } else {
        const auto slots = one.series.sub_windows();
        to.push_back(digits(static_cast<std::int64_t>(slots.size())));
        for (const auto& [index, n] : slots) {
          to.push_back(digits(index));
          to.push_back(digits(limited_units(n)));
        }
      }
      to.push_back(digits(static_cast<std::int64_t>(one.values.size())));
      for (const auto& [value, index] : one.values) {
        to.push_back(value);
        to.push_back(digits(index));
      }
    }
    send(RedisKind::Limit, key, std::move(to));
  }

  void send_greylist(const RowReader& row) {
    const bool passed = row.integer(2) != 0;
    // On disk a first contact ends a millisecond after its last chance.
    const auto ends = row.time(4) - Duration{passed ? 0 : 1};
    send(RedisKind::Greylist, std::string(row.bytes(0)),
         {"import", passed ? "1" : "0", digits(row.time(3)), digits(ends), name_of(row.bytes(1))});
  }

  // The entries that came back: the end of the pass, the length of the key, the key, a line each.
  void send_auto_allowed(const RowReader& row) {
    Arguments entries;
    auto text = row.bytes(2);
    const auto number = [&]() -> std::int64_t {
      std::int64_t n = -1;
      const auto blank = std::min(text.find(' '), text.size());
      std::from_chars(text.data(), text.data() + blank, n);
      text.remove_prefix(std::min(blank + 1, text.size()));
      return n;
    };
    while (!text.empty() && entries.size() < 2 * static_cast<std::size_t>(kMaxAutoAfter)) {
      const auto ends = number(), size = number();
      if (size < 0 || static_cast<std::size_t>(size) >= text.size()) break;
      entries.push_back(core_.keys().short_hash(text.substr(0, static_cast<std::size_t>(size))));
      entries.push_back(digits(ends));
      text.remove_prefix(static_cast<std::size_t>(size) + 1);
    }
    Arguments to{"import", digits(row.time(1)),
                 digits(static_cast<std::int64_t>(entries.size() / 2))};
    std::move(entries.begin(), entries.end(), std::back_inserter(to));
    send(RedisKind::AutoAllow, std::string(row.bytes(0)), std::move(to));
  }

  void send_list_entry(const RowReader& row) {
    const auto expires = row.is_null(4) ? std::string("0") : digits(row.time(4));
    const auto network = row.is_null(2) ? std::string("-") : std::string(row.bytes(2));
    note(request_.add_shared(false,
                             {"import", list_field(std::string(row.bytes(0)), std::string(row.bytes(1))),
                              fmt::format("{} {} {}", digits(row.time(3)), expires, network), expires}));
  }

  void send_seen(const RowReader& row) {
    send(RedisKind::Seen, std::string(row.bytes(0)),
         {"import", digits(row.time(1)), digits(row.time(2)), digits(row.time(3))});
  }

  std::string name_of(std::string_view name) const {
    return settings_.names ? std::string(name.substr(0, kMaxStoredName)) : std::string();
  }

  void send(RedisKind kind, const std::string& key, Arguments arguments) {
    note(request_.add(kind, core_.keys().place(key), false, std::move(arguments)));
  }

  void note(RedisRequest::Part part) {
    parts_.push_back(part);
    ++counts_.read;
    if (parts_.size() >= kAtOnce) flush();
  }

  void flush() {
    const auto results = core_.call_and_wait(request_.take());
    for (const auto& part : parts_) {
      const auto* reply = answer_at(results[part.call], part.answer);
      const auto answer = reply ? settled_answer(*reply) : std::nullopt;
      if (!answer)
        ++failed_;
      else
        ++(answer->granted ? counts_.taken : counts_.known);
    }
    parts_.clear();
    request_ = RedisRequest(core_.keys(), settings_);
    if (progress_) progress_(counts_);
  }

  RedisStoreCore& core_;
  const RedisCallSettings settings_;
  const std::function<void(const TransferCounts&)>& progress_;
  std::map<std::string, KeptLimit> limits_;
  RedisRequest request_{core_.keys(), settings_};
  std::vector<RedisRequest::Part> parts_;
  TransferCounts counts_;
  std::uint64_t failed_ = 0;
};

}  // namespace

Result<TransferCounts> transfer_state(const std::filesystem::path& folder, const Clock& clock,
                                      RedisStore& to,
                                      const std::function<void(const TransferCounts&)>& progress) {
  if (!std::filesystem::exists(folder / "state.db"))
    return config_error((folder / "state.db").string() + ": there is no such file");
  {
    // Nobody else uses it, and it is whole.
    const auto opened = EmbeddedStore::open(folder, clock);
    if (!opened) return tl::unexpected<Error>(opened.error());
  }
  auto file = SqliteFile::open(folder / "state.db", {});
  if (!file) return tl::unexpected<Error>(file.error());
  return Transfer(to, progress).run(*file, clock.now());
}

}  // namespace sluice::backends
