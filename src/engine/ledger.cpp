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

void Ledger::hold(backends::ReservationId id, std::string key) {
  std::lock_guard lock(mutex_);
  leases_.emplace(id, std::move(key));
}

void Ledger::drop(backends::ReservationId id) {
  std::lock_guard lock(mutex_);
  leases_.erase(id);
}

void Ledger::renew(backends::StateStore& store) {
  std::vector<backends::StateOp> ops;
  {
    std::lock_guard lock(mutex_);
    ops.reserve(leases_.size());
    for (const auto& [id, key] : leases_) ops.emplace_back(backends::Renew{id, key});
  }
  // What is not held any more is committed or released by its session in good time; nothing to do
  // here.
  if (!ops.empty()) store.submit(std::move(ops), [](std::vector<StateAnswer>) {});
}

std::size_t Ledger::held() const {
  std::lock_guard lock(mutex_);
  return leases_.size();
}

void Ledger::remember_denial(const Reserve& asked, const StateAnswer& answer, TimePoint now) {
  std::lock_guard lock(mutex_);
  if (denials_.size() >= kMaxDenials) denials_.clear();
  denials_[denial_key(asked)] = Denial{asked.n, asked.windows, asked.bucket, answer, now};
}

std::optional<StateAnswer> Ledger::denial(const Reserve& asked, TimePoint now) {
  std::lock_guard lock(mutex_);
  if (denials_.empty()) return std::nullopt;
  const auto found = denials_.find(denial_key(asked));
  if (found == denials_.end()) return std::nullopt;
  const Denial& denial = found->second;
  const Duration age = now - denial.at;
  if (age < Duration{0} || age >= std::min(kDenyMemory, denial.answer.wait)) {
    denials_.erase(found);
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
