// Greylister: what a greylist asks of the state store and what it leaves there (LANGUAGE 8, rulings
// 2, 3, 17).
#pragma once
#include <optional>
#include <vector>

#include "engine/fact_table.h"
#include "engine/stage_event.h"
#include "policy/program.h"

namespace sluice::engine {

struct GreylistDemand {
  enum class State : std::uint8_t { Pending, Unknown, Ready };
  State state = State::Pending;
  policy::UnknownReason reason = policy::UnknownReason::Timeout;
  std::string_view unknown_of;
  std::string key, name, auto_key;  // auto_key empty: no auto_allow
};
GreylistDemand greylist_demand(const policy::Program& program, const policy::Rule& rule,
                               FactTable& facts, std::uint32_t recipient);

backends::GreylistLook look_of(const policy::GreylistSpec& spec, const GreylistUse& use);
backends::GreylistRecord record_of(const policy::GreylistSpec& spec, const GreylistUse& use);
backends::GreylistPromote promote_of(const policy::GreylistSpec& spec, const GreylistUse& use);

// True when the store answered that the sender has to wait. A store that is away lets mail pass: a
// greylist that cannot remember would defer for ever.
bool asks_to_wait(const backends::StateAnswer& answer);
// True when an accepted message makes (or keeps) the entry known.
bool is_promoted(const backends::StateAnswer& answer);

}  // namespace sluice::engine
