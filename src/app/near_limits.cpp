#include "app/near_limits.h"

#include <algorithm>
#include <map>

namespace sluice::app {
namespace {

// Knows nothing: what can be told without it is constant.
class NoFacts final : public policy::FactSource {
 public:
  const policy::Value* fact(policy::FactIndex, std::uint32_t) override { return nullptr; }
  std::uint32_t recipient_count() override { return 0; }
  const policy::Value* header(std::string_view) override { return nullptr; }
  const policy::Value* contains(policy::ListId, const policy::Value&) override { return nullptr; }
  const policy::Value* seen(std::uint32_t, std::span<const policy::Value>, Duration) override {
    return nullptr;
  }
  std::string template_word(std::string_view) override { return {}; }
};

void add_rate(const policy::Value& value, std::map<Duration, std::int64_t>& ceilings) {
  if (const auto* rate = value.get_if<policy::Rate>()) ceilings[rate->period] = rate->count;
  if (const auto* list = value.get_if<policy::ValuesPtr>())
    for (const policy::Value& item : **list) add_rate(item, ceilings);
}

std::map<Duration, std::int64_t> ceilings_of(const policy::Program& program,
                                             const policy::LimitSpec& limit) {
  std::map<Duration, std::int64_t> ceilings;
  NoFacts facts;
  for (const policy::ExprId max : limit.max) {
    if (const auto value = program.evaluate(max, facts)) add_rate(*value, ceilings);
  }
  if (limit.bucket_refill) ceilings[limit.bucket_refill->period] = limit.bucket_capacity;
  return ceilings;
}

}  // namespace

std::vector<NearLimit> NearLimits::look(backends::StateStore& store,
                                        const policy::Program& program, TimePoint now) {
  const std::lock_guard lock(mutex_);
  if (program_ == program.hash() && now - looked_ < kKept && now >= looked_) return kept_;
  std::vector<NearLimit> near;
  std::size_t asked = 0;
  for (const policy::Rule& rule : program.rules()) {
    if (!rule.limit || asked >= kMostLimits) continue;
    const auto ceilings = ceilings_of(program, *rule.limit);
    if (ceilings.empty()) continue;
    ++asked;
    backends::StateQuery query;
    query.filter = rule.name + " ";
    query.limit = kMostPerLimit;
    query.most_used_first = true;
    for (const backends::StateEntry& entry : store.show(query)) {
      const auto ceiling = ceilings.find(entry.period);
      if (ceiling == ceilings.end() || entry.name.compare(0, query.filter.size(), query.filter) != 0)
        continue;
      near.push_back({rule.name, entry.name, entry.used, ceiling->second, entry.period});
    }
  }
  std::stable_sort(near.begin(), near.end(), [](const NearLimit& a, const NearLimit& b) {
    return a.ratio() > b.ratio();
  });
  kept_ = near;
  looked_ = now;
  program_ = program.hash();
  return near;
}

}  // namespace sluice::app
