#include "backends/deny_cache.h"

namespace sluice::backends {

namespace {

template <class Op>
std::string denial_key(const Op& asked) {
  return asked.distinct ? asked.key + '\x1e' + *asked.distinct : asked.key;
}

}  // namespace

template <class Op>
void DenyCache::keep(const Op& asked, const StateAnswer& answer, Duration moment) {
  if (!answer.available || answer.granted || !answer.by_committed_use) return;
  if (denials_.size() >= kMaxRemembered) denials_.clear();
  denials_[denial_key(asked)] =
      Denial{asked.n, asked.windows, asked.bucket, answer, moment + answer.wait};
}

template <class Op>
std::optional<StateAnswer> DenyCache::look(const Op& asked, Duration moment) {
  const auto found = denials_.find(denial_key(asked));
  if (found == denials_.end()) return std::nullopt;
  const auto& denial = found->second;
  if (moment >= denial.until) {
    denials_.erase(found);
    return std::nullopt;
  }
  if (asked.n < denial.n || asked.windows != denial.windows || asked.bucket != denial.bucket)
    return std::nullopt;
  auto answer = denial.answer;
  answer.wait = denial.until - moment;
  return answer;
}

void DenyCache::remember(const Reserve& asked, const StateAnswer& answer, Duration moment) {
  if (!asked.even_if_exceeded) keep(asked, answer, moment);
}

void DenyCache::remember(const Peek& asked, const StateAnswer& answer, Duration moment) {
  keep(asked, answer, moment);
}

std::optional<StateAnswer> DenyCache::find(const Reserve& asked, Duration moment) {
  if (denials_.empty() || asked.even_if_exceeded || !knows_all_held_ || held_.count(asked.id) > 0)
    return std::nullopt;
  return look(asked, moment);
}

std::optional<StateAnswer> DenyCache::find(const Peek& asked, Duration moment) {
  if (denials_.empty()) return std::nullopt;
  return look(asked, moment);
}

void DenyCache::hold(ReservationId id) {
  if (held_.size() < kMaxRemembered)
    held_.insert(id);
  else
    knows_all_held_ = false;
}

}  // namespace sluice::backends
