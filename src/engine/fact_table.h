// FactTable: resolves each fact once in its scope. The rules ask it by index (policy::FactSource),
// facts ask it for what they need (facts::FactContext). It never blocks: what is missing is noted,
// and the session waits for all of it at once.
//
// Threads: the session's. Values it points to stay good until the next event of the session.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/content_stream.h"
#include "engine/message_scans.h"
#include "engine/questions.h"
#include "engine/session.h"
#include "engine/session_facts.h"
#include "engine/stage_event.h"
#include "engine/state_requests.h"
#include "facts/fact.h"
#include "policy/program.h"

namespace sluice::engine {

class SignatureStream;

class FactTable final : public policy::FactSource, public facts::FactContext {
 public:
  FactTable(const Services& services, const policy::Program& program, SessionFacts& known,
            StateRequests& requests);
  ~FactTable() override;

  // --- what the walk sets ---
  void begin_event(TimePoint now, TimePoint deadline);
  void enter(EventFacts& event) { event_ = &event; }  // whose values are meant from now on
  void set_rule(const policy::Rule* rule) { rule_ = rule; }
  void set_score(double score, bool is_pending);
  // The score rules behind it, for spam.symbols; only asked for when wants_scorers().
  void set_scorers(const std::vector<policy::RuleId>& rules);
  bool wants_scorers() const { return own_symbols_ != kNoFact; }
  void set_words(const Words* words) { words_ = words; }  // for templates; null: none
  // Nothing more is waited for in this event: what is missing is unknown.
  void expire() { is_expired_ = true; }
  bool is_expired() const { return is_expired_; }
  void begin_pass() { questions_.begin_pass(); }
  void begin_transaction();
  void begin_body() {
    content_.reset();
  }  // what was parsed of the header alone is parsed again with the body
  // Who reads the message while it comes; empty when the program asks for nothing like that.
  const std::vector<ContentStream*>& streams() const { return streams_; }
  Questions& questions() { return questions_; }
  const Questions& questions() const { return questions_; }
  // Starts what facts of this stage need that only later stages ask for. Waits for nothing.
  void ask_ahead(mail::Stage stage);
  // A built-in fact of one accepted recipient, whether the policy names it or not. nullptr:
  // pending.
  const policy::Value* fact_of(std::string_view name, std::uint32_t recipient);
  // The value if it has been found out already; asks nothing. For traces.
  const policy::Value* known(policy::FactIndex fact, std::uint32_t recipient);

  // --- policy::FactSource ---
  const policy::Value* fact(policy::FactIndex fact, std::uint32_t recipient) override;
  std::uint32_t recipient_count() override {
    return static_cast<std::uint32_t>(known_.accepted.size());
  }
  const policy::Value* header(std::string_view name) override;
  const policy::Value* contains(policy::ListId list, const policy::Value& value) override;
  const policy::Value* seen(std::uint32_t site, std::span<const policy::Value> values,
                            Duration within) override;
  std::string template_word(std::string_view word) override;

  // --- facts::FactContext ---
  const mail::Connection& connection() const override { return known_.connection; }
  const mail::Tls& tls() const override;
  const std::string* helo() const override { return known_.helo ? &*known_.helo : nullptr; }
  const mail::Envelope* envelope() const override { return known_.envelope.get(); }
  const mail::Recipient* recipient() const override;
  const facts::RecipientCounts* recipient_counts() const override;
  const std::vector<mail::Recipient>& accepted_recipients() const override {
    return known_.accepted;
  }
  const mail::Message* message() const override { return known_.message.get(); }
  const facts::MessageContent* content() override;
  facts::MessageSignatures* signatures() override;
  const std::string* profile() const override {
    return known_.profile ? &*known_.profile : nullptr;
  }
  double score() const override { return score_; }
  int unknown_commands() const override { return known_.unknown_commands; }
  const std::string& command() const override { return known_.command; }
  TimePoint now() const override { return event_->now; }
  const std::string& timezone() const override { return program_.timezone(); }
  const facts::FactSettings& settings() const override { return services_.settings; }
  const policy::Program& program() const override { return program_; }
  const backends::DnsAnswer* dns(std::string_view name, backends::DnsType type) override;
  const backends::SpamAnswer* spam() override;
  const backends::VirusAnswer* virus() override;
  const backends::CalloutAnswer* callout(const backends::CalloutQuestion& question) override;
  const std::optional<TimePoint>* first_seen(const IpAddress& client) override;
  const policy::Value* fact(std::string_view name) override;

 private:
  enum class Life : std::uint8_t { Event, Connection, Helo, Transaction, Recipient, Score };
  static Life life_of(const policy::FactSignature& signature);
  FactMemo& memo(Life life, std::uint32_t recipient);
  RecipientState* recipient_state(std::uint32_t recipient);
  const RecipientState* recipient_state(std::uint32_t recipient) const;
  const policy::Value* find(FactKey key, Life life, std::uint32_t recipient);
  template <class Resolve>
  const policy::Value* value_of(FactKey key, Life life, const std::string& name,
                                std::uint32_t recipient, Resolve resolve);
  facts::Outcome resolve_named(policy::FactIndex fact);
  facts::Outcome resolve_declared(const policy::FactSignature& signature);
  const policy::Value* given(const std::string& name);
  bool names(std::string_view prefix) const;
  StateValue& state_value(std::string key);

  const Services& services_;
  const policy::Program& program_;
  SessionFacts& known_;
  StateRequests& requests_;
  Questions questions_;
  MessageScans scans_;
  std::unique_ptr<SignatureStream> signature_stream_;  // null: nothing needs it
  std::vector<ContentStream*> streams_;
  std::vector<Life> life_;  // of each fact of the program
  EventFacts* event_ = nullptr;
  const policy::Rule* rule_ = nullptr;
  const Words* words_ = nullptr;
  TimePoint deadline_{};
  std::uint32_t element_ = kNoElement;  // recipient of the fact that is being resolved
  double score_ = 0;
  bool is_score_pending_ = false;
  policy::Value score_value_{0.0};
  static constexpr policy::FactIndex kNoFact = 0xffff;
  policy::FactIndex own_symbols_ = kNoFact;  // spam.symbols, with `engine: own`
  policy::Value scorers_;  // a list, with `engine: own`
  bool is_expired_ = false;
  bool used_deadline_ = false;   // the fact at hand saw something that the deadline made unknown
  bool store_was_away_ = false;  // the fact at hand asked the store and it was away
  std::optional<TimePoint> first_seen_;
  StateSlotPtr first_seen_slot_;
  std::shared_ptr<const facts::MessageContent> content_;
};

}  // namespace sluice::engine
