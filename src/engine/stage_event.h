// StageEvent and StageOutcome: one event of a session, what its rules asked of the store, and what
// they came to. Plain data; walk.cpp fills it, session.cpp settles it.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/state_store.h"
#include "engine/decision.h"
#include "engine/ledger.h"
#include "engine/recycled.h"
#include "engine/session_facts.h"
#include "engine/state_requests.h"
#include "mail/verdict.h"
#include "policy/program.h"

namespace sluice::engine {

struct StageEvent;

// A limit that was reached with its condition true: what was asked, and what became of it.
struct LimitUse {
  enum class How : std::uint8_t {
    Reserve,  // must fit
    Observe,  // is counted also above the limit: no deciding action, or exempt traffic that counts
    Peek,     // failures: would one more fit?
  };
  policy::RuleId rule = 0;
  How how = How::Reserve;
  backends::Reserve asked;
  std::vector<backends::Window> agreed;  // as the rule says it, where the local limiter's are less
  std::optional<backends::StateAnswer> at_once;  // what needed no waiting
  StateSlotPtr slot;                             // else: where the answer will stand
  std::optional<backends::StateAnswer> local;  // of the local limiter, when the store was away
  Lease lease;  // in the ledger while it is held; behind `asked`, whose key it looks at
  bool is_held = false;                        // a reservation that has to be settled
  bool was_committed = false;
  bool is_local = false;  // in the local limiter
  int accepted_by = 0;    // messages at rcpt: recipients of this message accepted under it

  // What the store said; nullptr: nothing yet.
  const backends::StateAnswer* answer() const {
    if (at_once) return &*at_once;
    return slot && slot->answer ? &*slot->answer : nullptr;
  }
  void recycle();
};
using LimitUses = std::vector<Recycled<LimitUse>>;

struct GreylistUse {
  policy::RuleId rule = 0;
  std::string key, name, auto_key;
  StateSlotPtr slot;
  bool is_recorded = false;
};

struct Contribution {  // of a score rule
  policy::RuleId rule = 0;
  double points = 0;
};

using Words = std::vector<std::pair<std::string_view, std::string>>;

// A verdict before its text.
struct Found {
  enum class Strength : std::uint8_t { None, Weak, Strong };
  Strength strength = Strength::None;
  policy::RuleId rule = 0;
  std::string_view instead_of_rule;  // "recipients", "resources": nobody's rule
  StageEvent* event = nullptr;  // whose rule it was: the text is made from the facts of that event
  mail::Action action = mail::Action::Defer;
  int code = 0;
  mail::EnhancedStatus status;
  policy::TemplateId text = policy::kNoTemplate, help = policy::kNoTemplate,
                     reason = policy::kNoTemplate;
  std::string plain_text;  // without a template
  Words words;             // limit.max, limit.wait, greylist.wait
  explicit operator bool() const { return strength != Strength::None; }
};

// A non-deciding action with everything rendered, to be carried out when the event is decided.
struct PreparedAction {
  policy::ActionSource::Kind kind = policy::ActionSource::Kind::Log;
  policy::RuleId rule = 0;
  std::string name, text;
  backends::ListAdd list;  // add; list and value also for remove
  std::uint32_t recipient = policy::FactSource::kNoElement;
};

struct Mark {  // quarantine or discard before the end of the message
  policy::RuleId rule = 0;
  mail::Action action = mail::Action::Quarantine;
  std::string reason;
};

struct StageOutcome {
  bool is_pending = false;
  Found strong, weak;
  Found at_data;  // greylist with `at: data`: the null sender's weak deferral
  Found answer;   // chosen among all of these
  std::string reply_text, reply_help;  // of it
  std::optional<std::string> results;  // value of our Authentication-Results
  std::vector<std::pair<policy::RuleId, Would>> would;
  std::vector<LimitUse*> limits;        // reached and counted: held, or to be committed at once
  std::vector<GreylistUse*> greylists;  // reached
  std::vector<PreparedAction> actions;
  std::vector<policy::RuleId> acted;  // rules whose actions these are
  std::vector<Mark> marks;
  std::vector<backends::SeenRecord> seen;
  std::vector<Contribution> points;
  std::vector<policy::RuleId> exemptions;                          // exempt rules that matched
  std::vector<std::pair<policy::RuleId, policy::RuleId>> skipped;  // rule, by exemption
  std::vector<std::string> unknown;
  std::vector<RuleTrace> trace;
  Duration delay{0};

  void recycle();
};

struct StageEvent {
  EventFacts facts;
  LimitUses limits;
  std::vector<std::unique_ptr<GreylistUse>> greylists;
  std::vector<policy::RuleId>
      acted;  // whose actions were carried out: not again when decided again
  // Of stages that are answered later (connect, helo, mail, headers), when there is something to
  // answer or to settle.
  std::unique_ptr<StageOutcome> outcome;

  // There is nothing to remember of it but when it was.
  bool is_bare() const {
    return !outcome && limits.empty() && greylists.empty() && acted.empty() &&
           facts.facts.is_empty() && !facts.state;
  }
  void recycle();
};

}  // namespace sluice::engine
