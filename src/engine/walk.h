// Walk: one pass over the rules of a stage (LANGUAGE 3): exempt, score, then rules, limits and
// greylists in file order. Plain synchronous code without I/O: it finds a verdict, or it is pending
// and everything it lacks has been asked for. Facts are memoised and pure, so the next pass gives
// the same answer in any order of arrival. It changes nothing but the outcome and what was asked;
// session.cpp settles.
//
// Threads: the session's.
#pragma once
#include <memory>
#include <vector>

#include "engine/fact_table.h"
#include "engine/ledger.h"
#include "engine/limiter.h"
#include "engine/session.h"
#include "engine/stage_event.h"
#include "policy/program.h"

namespace sluice::engine {

// What earlier events of the session left in force.
struct Scopes {
  struct Exemption {
    policy::RuleId rule;
    mail::Stage stage;  // where it matched
  };
  struct Points {
    Contribution of;
    mail::Stage stage;
  };
  std::vector<Exemption> connection, message;
  std::vector<policy::RuleId>
      all_recipients;  // content rules from which every accepted recipient is exempt
  std::vector<Points> connection_points, message_points;
  // Limits that count once for the session, and once for a message and key value (messages at
  // rcpt).
  LimitUses connection_limits, message_limits;
};

inline constexpr std::size_t kTriedOneByOne = 8;  // rules of a stage; more are looked up

class Walk {
 public:
  struct Context {
    const Services& services;
    const policy::Program& program;
    FactTable& facts;
    StateRequests& requests;
    SessionFacts& known;
    Scopes& scopes;
    Ledger& ledger;
    const LimitUses& held;  // for the accepted recipients of this message
  };
  Walk(Context context, StageOutcome& out);

  // Phases 1 and 2, of the event at hand. False: pending, what follows only asks ahead.
  bool exempt(StageEvent& event);
  bool score(StageEvent& event);
  // Phase 3. `Again`: a held stage at RCPT, over its frozen facts, with the exemptions found in
  // this outcome too. `RefusedByMta`: only rules, and their deciding actions do not count.
  enum class As : std::uint8_t { Own, Again, RefusedByMta };
  void decide(StageEvent& event, As as, bool only_ask);
  // Limits on failures of stage rcpt, judged after the verdict on the recipient.
  void judge_failures(StageEvent& event, bool is_failure, bool refused_by_mta);

  // True when an exemption that matched later than `stage` reaches one of its rules: they have to
  // be decided again.
  bool is_touched(mail::Stage stage) const;
  // The exemption that reaches a rule; nullopt: none does.
  std::optional<policy::RuleId> exempted_by(policy::RuleId rule) const;
  // Points that count at a stage; `own`: with those of this outcome.
  double score_at(mail::Stage stage, bool own) const;

 private:
  enum class Gate : std::uint8_t { Open, Reserving, Blocked };

  const std::vector<policy::RuleId>& deciders(mail::Stage stage);
  void tell_score(mail::Stage stage, bool own, bool is_pending);
  void enter(StageEvent& event, const policy::Rule* rule);
  bool skip(policy::RuleId id);
  void decide_rule(StageEvent& event, policy::RuleId id, As as);
  void decide_ordinary(StageEvent& event, policy::RuleId id, As as, std::uint32_t recipient);
  void decide_each_recipient(StageEvent& event, policy::RuleId id, As as);
  void decide_limit(StageEvent& event, policy::RuleId id);
  void decide_greylist(StageEvent& event, policy::RuleId id);
  // T, F, ? as on_unknown wants it. Pending closes the gate.
  bool holds(StageEvent& event, policy::RuleId id, std::uint32_t recipient);
  bool handle_unknown(StageEvent& event, policy::RuleId id, policy::UnknownReason reason,
                      std::string_view of);
  void pend(Gate gate);

  // What was asked for a limit, now or in an earlier pass or event; nullptr: nothing to judge
  // (yet).
  LimitUse* use_of(StageEvent& event, policy::RuleId id, LimitUse::How how, std::int64_t n);
  LimitUses& uses_of(StageEvent& event, const policy::Rule& rule);
  LimitUse* ask_limit(StageEvent& event, Recycled<LimitUse> use);
  // The store's answer, or the local limiter's, or on_error's; nullptr: pending, or the limit does
  // not act.
  const backends::StateAnswer* answer_for(StageEvent& event, LimitUse& use);
  const backends::StateAnswer* local_answer(const policy::Rule& rule, LimitUse& use);
  void exceed(StageEvent& event, LimitUse& use, const backends::StateAnswer& answer,
              bool answer_is_seen);
  GreylistUse* look_up(StageEvent& event, policy::RuleId id);

  void take(StageEvent& event, policy::RuleId id, Found found);
  void tell_would(StageEvent& event, policy::RuleId id, const Found& found);
  bool act(StageEvent& event, policy::RuleId id, std::uint32_t recipient, std::int64_t units);
  bool prepare(StageEvent& event, policy::RuleId id, const policy::RuleAction& action,
               std::uint32_t recipient, std::int64_t units);
  std::optional<std::string> text_of(policy::TemplateId text, std::uint32_t recipient);
  void note_seen(StageEvent& event, policy::RuleId id, std::uint32_t recipient);
  void trace(StageEvent& event, policy::RuleId id, char result, std::string note = {});

  Context c_;
  StageOutcome& out_;
  Gate gate_ = Gate::Open;
  bool is_stopped_ = false;     // a rule would end the stage, but something in front is open
  bool counts_exempt_ = false;  // the limit at hand is exempt and counts all the same
  bool again_ = false;
  std::vector<policy::RuleId>& candidates_;
};

// Shadow, or enforced for others only: the rule is evaluated and keeps its state, its answer and
// actions are withheld.
bool is_silent(const policy::Rule& rule, const std::optional<IpAddress>& client);

// A verdict as the rule's `then:` says it, or as on_unknown and on_error do.
Found decision_found(const policy::Rule& rule, policy::RuleId id, StageEvent& event, Words words);
Found unknown_found(const policy::Rule& rule, policy::RuleId id, StageEvent& event,
                    policy::UnknownReason reason);
Found store_away_found(const policy::Rule& rule, policy::RuleId id, StageEvent& event);

}  // namespace sluice::engine
