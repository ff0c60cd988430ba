#include "app/counted_store.h"

#include <chrono>
#include <map>

namespace sluice::app {
namespace {

using backends::StateAnswer;
using backends::StateOp;

// In the order of StateOp's alternatives.
constexpr const char* kOps[] = {"reserve",         "peek",          "commit",     "release",
                                "renew",           "greylist_look", "greylist_record",
                                "greylist_promote", "list_contains", "list_add",   "list_remove",
                                "seen",            "seen_record"};
static_assert(std::size(kOps) == std::variant_size_v<StateOp>);
constexpr std::size_t kReserve = 0;  // among them
static_assert(std::is_same_v<std::variant_alternative_t<kReserve, StateOp>, backends::Reserve>);
constexpr std::size_t kCommit = 2;
static_assert(std::is_same_v<std::variant_alternative_t<kCommit, StateOp>, backends::Commit>);
constexpr const char* kGreylist[] = {"new", "waiting", "ready", "passed", "auto_allowed"};

// "user-messages auth.user=alice": the rule is the first word.
std::string_view limit_of(const backends::Reserve& reserve) {
  const std::string_view name = reserve.name;
  return name.substr(0, name.find(' '));
}

std::string_view limit_of(const StateOp& op) {
  const auto* reserve = std::get_if<backends::Reserve>(&op);
  return reserve == nullptr ? std::string_view() : limit_of(*reserve);
}

std::int64_t since_us(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() -
                                                               begin)
      .count();
}

}  // namespace

struct CountedStore::Counts {
  struct OfLimit {
    std::atomic<std::uint64_t> granted{0}, exceeded{0};
  };
  std::array<std::atomic<std::uint64_t>, std::size(kOps)> ok{}, away{};
  std::array<std::atomic<std::uint64_t>, std::size(kGreylist)> greylist{};
  DurationCounter durations;
  std::mutex mutex;
  std::map<std::string, OfLimit, std::less<>> limits;  // entries stay where they are
  // Every reservation looks for its limit: found here without the mutex, by the hash of the name.
  // Never more than half full, entries are never changed.
  using Entry = std::pair<const std::string, OfLimit>;
  static constexpr std::size_t kSlots = 1'024;
  static_assert(kSlots >= 2 * (kMaxLimits + 1));
  std::array<std::atomic<Entry*>, kSlots> slots{};

  OfLimit* limit(std::string_view name) {
    if (name.empty()) return nullptr;
    for (std::size_t at = slot_of(name);; at = next(at)) {
      Entry* entry = slots[at].load(std::memory_order_acquire);
      if (entry == nullptr) return add(name);
      if (entry->first == name) return &entry->second;
    }
  }
  OfLimit* add(std::string_view name) {
    const std::lock_guard lock(mutex);
    const bool fits = limits.size() < kMaxLimits || limits.count(name) > 0;
    const auto [place, is_new] = limits.try_emplace(fits ? std::string(name) : "other");
    if (is_new) {
      std::size_t at = slot_of(place->first);
      while (slots[at].load(std::memory_order_relaxed) != nullptr) at = next(at);
      slots[at].store(&*place, std::memory_order_release);
    }
    return &place->second;
  }
  static std::size_t slot_of(std::string_view name) {
    return std::hash<std::string_view>{}(name) % kSlots;
  }
  static std::size_t next(std::size_t at) { return (at + 1) % kSlots; }
  void count(std::size_t op, OfLimit* limit, const StateAnswer& answer) {
    ++(answer.available ? ok : away)[op];
    if (!answer.available) return;
    if (limit != nullptr) ++(answer.granted ? limit->granted : limit->exceeded);
    if (std::string_view(kOps[op]) == "greylist_look")
      ++greylist[static_cast<std::size_t>(answer.greylist)];
  }
};

namespace {

struct Asked {
  std::size_t op = 0;
  void* limit = nullptr;
};

}  // namespace

CountedStore::CountedStore(backends::StateStore& behind)
    : StoreInFront(behind),
      at_once_(dynamic_cast<backends::ReservesAtOnce*>(&behind)),
      counts_(std::make_shared<Counts>()) {}

void CountedStore::submit(std::vector<StateOp> ops, backends::StateDone done) {
  std::vector<Asked> asked;
  asked.reserve(ops.size());
  for (const StateOp& op : ops) asked.push_back({op.index(), counts_->limit(limit_of(op))});
  const auto begin = std::chrono::steady_clock::now();
  behind_.submit(std::move(ops), [counts = counts_, asked = std::move(asked), begin,
                                  done = std::move(done)](std::vector<StateAnswer> answers) {
    counts->durations.add(since_us(begin));
    for (std::size_t i = 0; i < asked.size() && i < answers.size(); ++i)
      counts->count(asked[i].op, static_cast<Counts::OfLimit*>(asked[i].limit), answers[i]);
    done(std::move(answers));
  });
}

std::optional<StateAnswer> CountedStore::reserve_at_once(const backends::Reserve& op) {
  if (at_once_ == nullptr) return std::nullopt;
  const auto begin = std::chrono::steady_clock::now();
  const auto answer = at_once_->reserve_at_once(op);
  if (!answer) return std::nullopt;
  counts_->durations.add(since_us(begin));
  counts_->count(kReserve, counts_->limit(limit_of(op)), *answer);
  return answer;
}

bool CountedStore::commit_at_once(std::span<const backends::Reserve* const> reserved) {
  if (at_once_ == nullptr) return false;
  const auto begin = std::chrono::steady_clock::now();
  if (!at_once_->commit_at_once(reserved)) return false;
  counts_->durations.add(since_us(begin));
  counts_->ok[kCommit] += reserved.size();
  return true;
}

std::vector<CountedStore::OpCount> CountedStore::ops() const {
  std::vector<OpCount> list;
  for (std::size_t i = 0; i < std::size(kOps); ++i)
    list.push_back({kOps[i], counts_->ok[i], counts_->away[i]});
  return list;
}

std::vector<CountedStore::LimitCount> CountedStore::limits() const {
  std::vector<LimitCount> list;
  const std::lock_guard lock(counts_->mutex);
  for (const auto& [name, count] : counts_->limits)
    list.push_back({name, count.granted, count.exceeded});
  return list;
}

std::vector<CountedStore::GreylistCount> CountedStore::greylist() const {
  std::vector<GreylistCount> list;
  for (std::size_t i = 0; i < std::size(kGreylist); ++i)
    list.push_back({kGreylist[i], counts_->greylist[i]});
  return list;
}

DurationCounts CountedStore::durations() const { return counts_->durations.counts(); }

}  // namespace sluice::app
