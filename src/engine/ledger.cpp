#include "engine/ledger.h"

#include <algorithm>

namespace sluice::engine {

using backends::Reserve;
using backends::StateAnswer;

namespace {

std::string denial_key(const Reserve& asked) {
  return asked.distinct ? asked.key + '\x1e' + *asked.distinct : asked.key;
}

}  // namespace

void Lease::drop() {
  if (ledger_ != nullptr) ledger_->drop(*this);
}

void Ledger::hold(Lease& lease, backends::ReservationId id, const std::string& key) {
  if (lease.ledger_ != nullptr) return;
  Shard& shard = shard_of(id);
  lease.ledger_ = this;
  lease.id_ = id;
  lease.key_ = &key;
  const std::lock_guard lock(shard.mutex);
  lease.before_ = nullptr;
  lease.behind_ = shard.first;
  if (shard.first != nullptr) shard.first->before_ = &lease;
  shard.first = &lease;
  ++shard.size;
}

void Ledger::drop(Lease& lease) {
  Shard& shard = shard_of(lease.id_);
  const std::lock_guard lock(shard.mutex);
  (lease.before_ != nullptr ? lease.before_->behind_ : shard.first) = lease.behind_;
  if (lease.behind_ != nullptr) lease.behind_->before_ = lease.before_;
  lease.ledger_ = nullptr;
  --shard.size;
}

void Ledger::renew(backends::StateStore& store) {
  std::vector<backends::StateOp> ops;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (const Lease* lease = shard.first; lease != nullptr; lease = lease->behind_)
      ops.emplace_back(backends::Renew{lease->id_, *lease->key_});
  }
  // What is not held any more is committed or released by its session in good time; nothing to do
  // here.
  if (!ops.empty()) store.submit(std::move(ops), [](std::vector<StateAnswer>) {});
}

std::size_t Ledger::held() const {
  std::size_t held = 0;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    held += shard.size;
  }
  return held;
}

void Ledger::remember_denial(const Reserve& asked, const StateAnswer& answer, TimePoint now) {
  std::lock_guard lock(mutex_);
  if (denials_.size() >= kMaxDenials) denials_.clear();
  denials_[denial_key(asked)] = Denial{asked.n, asked.windows, asked.bucket, answer, now};
  has_denials_ = true;
}

std::optional<StateAnswer> Ledger::denial(const Reserve& asked, TimePoint now) {
  if (!has_denials_) return std::nullopt;
  std::lock_guard lock(mutex_);
  const auto found = denials_.find(denial_key(asked));
  if (found == denials_.end()) return std::nullopt;
  const Denial& denial = found->second;
  const Duration age = now - denial.at;
  if (age < Duration{0} || age >= std::min(kDenyMemory, denial.answer.wait)) {
    denials_.erase(found);
    has_denials_ = !denials_.empty();
    return std::nullopt;
  }
  if (asked.n < denial.n || asked.windows != denial.windows || asked.bucket != denial.bucket)
    return std::nullopt;
  StateAnswer answer = denial.answer;
  answer.wait -= age;
  return answer;
}

void Ledger::forget_denials() {
  std::lock_guard lock(mutex_);
  denials_.clear();
  has_denials_ = false;
}

bool Ledger::may_delay(Duration delay, TimePoint now, std::size_t most) {
  std::lock_guard lock(mutex_);
  std::erase_if(delayed_until_, [now](TimePoint until) { return until <= now; });
  if (delayed_until_.size() >= most) return false;
  delayed_until_.push_back(now + delay);
  return true;
}

bool Ledger::may_trace(TimePoint now, std::size_t most) {
  const std::int64_t second = now.time_since_epoch().count() / 1000;
  const std::lock_guard lock(mutex_);
  if (second != trace_second_) traced_ = 0;
  trace_second_ = second;
  return ++traced_ <= most;
}

}  // namespace sluice::engine
