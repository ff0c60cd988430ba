#include "engine/greylister.h"

#include "engine/state_key.h"

namespace sluice::engine {

using backends::GreylistState;
using policy::ExprId;
using policy::GreylistSpec;
using policy::Program;
using policy::Rule;
using policy::Value;

namespace {

// False: pending or unknown, the demand says which.
bool add_part(GreylistDemand& demand, const Program& program, ExprId expr, FactTable& facts,
              std::uint32_t recipient, std::vector<std::string>& parts) {
  const std::optional<Value> value = program.evaluate(expr, facts, recipient);
  if (!value) {
    demand.state = GreylistDemand::State::Pending;
    return false;
  }
  if (value->is_unknown()) {
    demand.state = GreylistDemand::State::Unknown;
    demand.reason = value->reason();
    demand.unknown_of = program.expression_text(expr);
    return false;
  }
  parts.push_back(key_part(*value, program.kind_of(expr)));
  return true;
}

// At the end of the message the recipient of a key is all of them.
bool add_all_recipients(FactTable& facts, std::vector<std::string>& parts) {
  std::vector<std::string> all;
  for (std::uint32_t i = 0; i < facts.recipient_count(); ++i) {
    const Value* address = facts.fact_of("rcpt.address", i);
    if (address == nullptr) return false;
    all.push_back(key_part(*address, policy::Kind::Address));
  }
  parts.push_back(recipients_part(std::move(all)));
  return true;
}

}  // namespace

GreylistDemand greylist_demand(const Program& program, const Rule& rule, FactTable& facts,
                               std::uint32_t recipient) {
  const GreylistSpec& spec = *rule.greylist;
  GreylistDemand demand;
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < spec.key.size(); ++i) {
    const bool all = i < spec.key_all_recipients.size() && spec.key_all_recipients[i];
    const bool ready = all ? add_all_recipients(facts, parts)
                           : add_part(demand, program, spec.key[i], facts, recipient, parts);
    if (!ready) return demand;
  }
  demand.key = state_key(spec.state_key, parts);
  demand.name = state_name(program, rule, spec.key, parts);
  if (spec.auto_after > 0) {
    std::vector<std::string> auto_parts;
    for (const ExprId expr : spec.auto_key) {
      if (!add_part(demand, program, expr, facts, recipient, auto_parts)) return demand;
    }
    demand.auto_key = auto_allow_key(spec.state_key, auto_parts);
  }
  demand.state = GreylistDemand::State::Ready;
  return demand;
}

backends::GreylistLook look_of(const GreylistSpec& spec, const GreylistUse& use) {
  return backends::GreylistLook{use.key, use.auto_key, spec.delay, spec.retry_within};
}

backends::GreylistRecord record_of(const GreylistSpec& spec, const GreylistUse& use) {
  return backends::GreylistRecord{use.key, use.name, spec.retry_within};
}

backends::GreylistPromote promote_of(const GreylistSpec& spec, const GreylistUse& use) {
  return backends::GreylistPromote{use.key,      use.name,        spec.remember,
                                   use.auto_key, spec.auto_after, spec.auto_for};
}

bool asks_to_wait(const backends::StateAnswer& answer) {
  return answer.available &&
         (answer.greylist == GreylistState::Unknown || answer.greylist == GreylistState::Waiting);
}

bool is_promoted(const backends::StateAnswer& answer) {
  return answer.available &&
         (answer.greylist == GreylistState::Ready || answer.greylist == GreylistState::Passed);
}

}  // namespace sluice::engine
