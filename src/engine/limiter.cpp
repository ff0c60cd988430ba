#include "engine/limiter.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "base/text.h"
#include "engine/state_key.h"

namespace sluice::engine {

using backends::Reserve;
using backends::StateAnswer;
using policy::CountOf;
using policy::ExprId;
using policy::LimitSpec;
using policy::Program;
using policy::Rate;
using policy::Rule;
using policy::Value;

namespace {

using State = LimitDemand::State;

// Value of one expression of the limit; the demand becomes Pending or Unknown when it cannot be
// had.
const Value* value_for(LimitDemand& demand, const Program& program, ExprId expr, FactTable& facts,
                       std::uint32_t recipient, std::optional<Value>& value) {
  value = program.evaluate(expr, facts, recipient);
  if (!value) {
    demand.state = State::Pending;
    return nullptr;
  }
  if (value->is_unknown()) {
    demand.state = State::Unknown;
    demand.reason = value->reason();
    demand.unknown_of = program.expression_text(expr);
    return nullptr;
  }
  return &*value;
}

bool add_key(LimitDemand& demand, Reserve& asked, const Program& program, const Rule& rule,
             FactTable& facts, std::uint32_t recipient) {
  thread_local std::vector<std::string> parts;
  parts.clear();
  for (const ExprId expr : rule.limit->key) {
    std::optional<Value> value;
    if (value_for(demand, program, expr, facts, recipient, value) == nullptr) return false;
    parts.push_back(key_part(*value, program.kind_of(expr)));
  }
  put_state_key(asked.key, rule.limit->state_key, parts);
  put_state_name(asked.name, program, rule, rule.limit->key, parts);
  return true;
}

void add_rate(Reserve& asked, const Rate& rate) {
  if (rate.unlimited) return;
  asked.windows.push_back(backends::Window{rate.count, rate.period});
}

bool add_rates(LimitDemand& demand, Reserve& asked, const Program& program, const Rule& rule,
               FactTable& facts, std::uint32_t recipient) {
  asked.windows.reserve(rule.limit->max.size());
  for (const ExprId expr : rule.limit->max) {
    std::optional<Value> value;
    if (value_for(demand, program, expr, facts, recipient, value) == nullptr) return false;
    if (const auto* rate = value->get_if<Rate>()) add_rate(asked, *rate);
    if (const auto* list = value->get_if<policy::ValuesPtr>()) {
      for (const Value& item : **list) {
        if (const auto* rate = item.get_if<Rate>()) add_rate(asked, *rate);
      }
    }
  }
  if (rule.limit->bucket_refill) {
    const Rate& refill = *rule.limit->bucket_refill;
    asked.bucket =
        backends::Bucket{rule.limit->bucket_capacity, {refill.count, refill.period}};
  }
  return true;
}

bool add_distinct(LimitDemand& demand, Reserve& asked, const Program& program, const Rule& rule,
                  FactTable& facts, std::uint32_t recipient) {
  std::optional<Value> value;
  if (value_for(demand, program, rule.limit->distinct, facts, recipient, value) == nullptr)
    return false;
  asked.distinct = key_part(*value, program.kind_of(rule.limit->distinct));
  return true;
}

bool add_bytes(LimitDemand& demand, Reserve& asked, FactTable& facts, mail::Stage stage) {
  const Value* size = facts.fact(stage == mail::Stage::End ? "msg.size" : "mail.size");
  if (size == nullptr) {
    demand.state = State::Pending;
    return false;
  }
  if (size->is_unknown()) {
    demand.state = State::Unknown;
    demand.reason = size->reason();
    demand.unknown_of = "msg.size";
    return false;
  }
  const auto* bytes = size->get_if<std::int64_t>();
  asked.n = bytes != nullptr ? *bytes : 0;
  return true;
}

bool add_units(LimitDemand& demand, Reserve& asked, const Program& program, const Rule& rule,
               FactTable& facts, mail::Stage stage, std::uint32_t recipient) {
  switch (rule.limit->count) {
    case CountOf::Distinct:
      return add_distinct(demand, asked, program, rule, facts, recipient);
    case CountOf::Bytes:
      return add_bytes(demand, asked, facts, stage);
    case CountOf::Recipients:
      if (stage >= mail::Stage::Data) asked.n = facts.recipient_count();
      return true;
    case CountOf::Messages:
    case CountOf::Connections:
    case CountOf::Failures:
      return true;
  }
  return true;
}

}  // namespace

LimitDemand limit_demand(const Program& program, const Rule& rule, FactTable& facts,
                         mail::Stage stage, std::uint32_t recipient, Reserve& asked) {
  LimitDemand demand;
  if (!add_key(demand, asked, program, rule, facts, recipient) ||
      !add_rates(demand, asked, program, rule, facts, recipient) ||
      !add_units(demand, asked, program, rule, facts, stage, recipient))
    return demand;
  const bool unlimited = asked.windows.empty() && !asked.bucket;
  demand.state = unlimited ? State::Unlimited : State::Ready;
  return demand;
}

Reserve local_demand(const Reserve& asked, const LimitSpec& spec) {
  Reserve local = asked;
  const std::int64_t percent = spec.fallback_percent.value_or(100);
  for (backends::Window& window : local.windows) window.count = window.count * percent / 100;
  if (local.bucket) local.bucket->capacity = local.bucket->capacity * percent / 100;
  return local;
}

std::string wait_text(Duration wait) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait);
  return render_duration(std::max(Duration{1'000}, Duration{seconds}));
}

Rate rate_that_refused(const Rule& rule, const LimitUse& use, const StateAnswer& answer) {
  const auto& windows = use.agreed.empty() ? use.asked.windows : use.agreed;
  const bool is_bucket = rule.limit->bucket_refill && answer.exceeded >= windows.size();
  if (is_bucket || windows.empty()) return rule.limit->bucket_refill.value_or(Rate());
  const backends::Window& window = windows[std::min(answer.exceeded, windows.size() - 1)];
  const bool is_bytes = rule.limit->count == CountOf::Bytes;
  return Rate{.count = window.count, .period = window.period, .bytes = is_bytes};
}

Words limit_words(const Rule& rule, const LimitUse& use, const StateAnswer& answer) {
  Words words;
  words.emplace_back("limit.max", policy::render_value(Value(rate_that_refused(rule, use, answer))));
  words.emplace_back("limit.wait", wait_text(answer.wait));
  words.emplace_back("limit.name", rule.name);
  return words;
}

std::string used_note(const Rule& rule, const LimitUse& use, const StateAnswer& answer) {
  return "used " + std::to_string(answer.used) + " of " +
         policy::render_value(Value(rate_that_refused(rule, use, answer)));
}

namespace {

// What this message holds of the same counter for earlier recipients. Of values only those above the
// limit: whether one that fitted was known before is not.
std::int64_t units_held(const LimitUse& use, const LimitUses& held) {
  std::int64_t units = 0;
  std::set<std::string_view> values;
  for (const auto& other : held) {
    const Reserve& asked = other->asked;
    if (other->rule != use.rule || !other->is_held || asked.key != use.asked.key) continue;
    if (!asked.distinct)
      units += asked.n;
    else if (other->answer() != nullptr && !other->answer()->granted)
      values.insert(*asked.distinct);
  }
  return units + static_cast<std::int64_t>(values.size());
}

}  // namespace

std::int64_t units_over(const LimitUse& use, const StateAnswer& answer, const LimitUses& held) {
  std::int64_t most = use.asked.bucket ? use.asked.bucket->capacity : 0;
  if (answer.exceeded < use.asked.windows.size()) most = use.asked.windows[answer.exceeded].count;
  const std::int64_t used = use.asked.distinct ? std::max(answer.used, most) : answer.used;
  const std::int64_t n = use.asked.distinct ? 1 : use.asked.n;
  return std::max<std::int64_t>(1, used + units_held(use, held) + n - most);
}

bool is_charged_at_once(const LimitSpec& spec) {
  return spec.charge_attempts || spec.count == CountOf::Failures;
}

backends::Commit commit_of(const LimitUse& use) {
  const Reserve& asked = use.asked;
  return backends::Commit{asked.id,      asked.key,    asked.name,    asked.n,
                          asked.windows, asked.bucket, asked.distinct};
}

backends::Commit take_commit(LimitUse& use) {
  Reserve& asked = use.asked;
  return backends::Commit{asked.id,
                          std::move(asked.key),
                          std::move(asked.name),
                          asked.n,
                          std::move(asked.windows),
                          asked.bucket,
                          std::move(asked.distinct)};
}

backends::Release release_of(const LimitUse& use) {
  return backends::Release{use.asked.id, use.asked.key};
}

}  // namespace sluice::engine
