// Limiter: what a limit asks of the state store, and how its reservations end (LANGUAGE 7, rulings
// 4 to 6).
#pragma once
#include <vector>

#include "engine/fact_table.h"
#include "engine/stage_event.h"
#include "policy/program.h"

namespace sluice::engine {

// What one event would use of a limit.
struct LimitDemand {
  enum class State : std::uint8_t { Pending, Unknown, Unlimited, Ready };
  State state = State::Pending;
  policy::UnknownReason reason = policy::UnknownReason::Timeout;  // Unknown
  std::string_view unknown_of;                                    // the expression that was
};
// Fills `asked`, but for its id. It is as newly made; what it becomes counts when Ready.
LimitDemand limit_demand(const policy::Program& program, const policy::Rule& rule, FactTable& facts,
                         mail::Stage stage, std::uint32_t recipient, backends::Reserve& asked);

// The same question for the limiter of this host alone, with the share that `fallback:` leaves it.
backends::Reserve local_demand(const backends::Reserve& asked, const policy::LimitSpec& spec);

// The rate that an answer speaks of: of the window that refused, or of the bucket.
policy::Rate rate_that_refused(const policy::Rule& rule, const LimitUse& use,
                               const backends::StateAnswer& answer);
// limit.max, limit.wait, limit.name of a refusal.
Words limit_words(const policy::Rule& rule, const LimitUse& use,
                  const backends::StateAnswer& answer);
// "used 9 of 10/1m", for traces.
std::string used_note(const policy::Rule& rule, const LimitUse& use,
                      const backends::StateAnswer& answer);
// Units above the limit, at least 1: `delay D each`. What this message holds of it for earlier
// recipients counts with what was used.
std::int64_t units_over(const LimitUse& use, const backends::StateAnswer& answer,
                        const LimitUses& held);

// True when the limit is committed as soon as its stage is decided.
bool is_charged_at_once(const policy::LimitSpec& spec);

backends::Commit commit_of(const LimitUse& use);
// The same of a use that nobody asks for again.
backends::Commit take_commit(LimitUse& use);
backends::Release release_of(const LimitUse& use);

// Text of a wait for people: whole seconds, rounded up.
std::string wait_text(Duration wait);

}  // namespace sluice::engine
