// Session::State: everything one session owns, and the steps of an event: evaluate (pure, again for
// each round), then settle and tell, once. The members are grouped as the scopes of the language
// are.
#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/box.h"
#include "engine/content_stream.h"
#include "engine/fact_table.h"
#include "engine/ledger.h"
#include "engine/session.h"
#include "engine/session_facts.h"
#include "engine/stage_event.h"
#include "engine/state_requests.h"
#include "engine/walk.h"

namespace sluice::engine {

inline constexpr int kMaxPasses =
    200;  // over the rules for one event; look-ups that lead to look-ups are far fewer

// What lives from MAIL to the dot besides the facts.
struct Transaction {
  LimitUses limits;  // held for accepted recipients
  std::vector<backends::GreylistPromote> promotions;
  std::vector<backends::SeenRecord> seen;
  std::vector<Mark> marks;
  std::vector<PreparedAction> actions;  // changes to the message
  Box<Found> at_data;                   // the null sender's weak deferral
  std::vector<std::unique_ptr<GreylistUse>> at_data_greylists;
  int tried = 0, failed = 0;
  Duration waited{0};  // of message_deadline
  bool is_open = false;
  bool has_content = false;         // the streams have begun
  int results_fields = 0;           // Authentication-Results that came
  std::vector<int> claims;          // those of them in our name, numbered from 1, ascending
  std::optional<TimePoint> paused;  // body() asked for a pause then

  void recycle();
};

class Session::State {
 public:
  State(const Services& services, policy::ProgramPtr program);
  ~State();

  // --- events (session.cpp) ---
  Progress begin(mail::Stage stage);
  Progress drive();
  void begin_transaction(mail::Envelope envelope);
  void set_tls(mail::Tls tls);
  void begin_message();  // at DATA, or at what comes first when DATA is not negotiated
  void note_claim(const std::string& name, const std::string& value);
  void begin_content();  // before anything of the body is given on
  bool begin_pause();
  void end_pause();
  void end_transaction(bool accepted);
  void forget_helo();
  void recall_events();  // that connect and helo left nothing of but their time
  void forget_bare_events();

  // --- evaluation (session_evaluate.cpp) ---
  void evaluate();
  void evaluate_stage(StageEvent& event);
  void evaluate_recipient(StageEvent& event);
  void decide_held(Walk& walk, bool only_ask);
  void note_content_exemptions();  // of the recipient at hand
  void choose_profile();
  bool needs_own_message() const;
  void choose_message_profile();
  void choose_answer();
  Found refusal_of_session() const;
  Found marked() const;
  void compose();
  bool adds_results() const;
  void compose_results();
  std::optional<std::string> render(policy::TemplateId text, const Found& found);

  // --- settlement (session_settle.cpp) ---
  Progress finish();
  void settle_stage(StageEvent& event);
  void settle_limits(StageEvent& event);
  void settle_connections(StageEvent& event);
  void settle_greylists();
  void accept_recipient();
  void refuse_recipient();
  void charge_failures();
  void settle_message();
  void carry_out(const PreparedAction& action);
  void keep(StageEvent& event);
  void keep_limits(StageEvent& event);
  bool is_unsettled(const LimitUse& use) const;
  void give_back(LimitUses& uses);
  void abandon_event();
  void hold(LimitUse& use);
  void commit(LimitUse& use);
  void release(LimitUse& use);
  void release_all(LimitUses& uses);
  void commit_last(std::span<LimitUses* const> lists);  // they are dropped next
  void commit_all(LimitUses& uses);
  void settle(const LimitUse& use, backends::StateOp op);
  void send_settlement();

  // --- telling (session_record.cpp) ---
  mail::Verdict verdict();
  std::vector<mail::Edit> edits() const;
  void record(const mail::Verdict& verdict, DecisionRecord& record);
  void tell_exemptions(DecisionRecord& record) const;
  void tell_would(DecisionRecord& record) const;
  void tell_figures(DecisionRecord& record) const;
  void tell_texts(DecisionRecord& record) const;
  bool is_told_now(policy::RuleId rule, const Would& would) const;

  // --- tracing (session_trace.cpp) ---
  std::vector<RuleTrace> trace_answer();
  bool trace_stage(StageEvent& event, const Walk& walk, std::vector<RuleTrace>& list);
  RuleTrace trace_rule(StageEvent& event, const Walk& walk, policy::RuleId id);
  void trace_state(const StageEvent& event, policy::RuleId id, RuleTrace& trace) const;

  StageEvent* event_of(mail::Stage stage) const;
  const policy::Rule* answering_rule() const;
  TimePoint now() const { return services.clock->now(); }

  const Services& services;
  const policy::ProgramPtr program;
  const std::string sid;
  std::unique_ptr<Ledger> own_ledger;
  Ledger& ledger;

  SessionFacts known;
  StateRequests requests;
  FactTable facts;
  Scopes scopes;
  Box<Transaction> transaction;  // there in an event, and from MAIL to the dot

  Recycled<StageEvent> connect_event, helo_event, mail_event,
      headers_event;           // answered later
  Recycled<StageEvent> here;   // the event at hand
  Recycled<StageOutcome> out;  // of the pass at hand
  // When events were that are not kept between messages: most left nothing else.
  static constexpr TimePoint kNever = TimePoint::min();
  TimePoint connect_at = kNever, helo_at = kNever;

  // Of the event at hand.
  mail::Stage stage = mail::Stage::Connect;
  TimePoint started{}, deadline{};
  std::chrono::steady_clock::time_point started_steady{};
  std::string id;  // short id, drawn when a refusal is written
  bool is_over_cap = false;
  std::vector<backends::StateOp> to_store, to_local;

  std::shared_ptr<Round> round;
};

}  // namespace sluice::engine
