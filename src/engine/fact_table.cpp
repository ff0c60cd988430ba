#include "engine/fact_table.h"

#include <algorithm>
#include <array>

#include "engine/message_text.h"
#include "engine/signature_stream.h"
#include "engine/state_key.h"
#include "facts/dns_answers.h"
#include "facts/message_content.h"

namespace sluice::engine {

using policy::FactIndex;
using policy::Unknown;
using policy::UnknownReason;
using policy::Value;

namespace {

FactKey key_of(FactKey fact, std::uint32_t recipient) { return fact | (FactKey{recipient} << 16); }

bool begins_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

const backends::DnsAnswer& dns_too_late() {
  static const backends::DnsAnswer answer{.status = backends::DnsStatus::Timeout, .records = {}};
  return answer;
}
const backends::SpamAnswer& no_spam_answer() {
  static const backends::SpamAnswer answer;
  return answer;
}
const backends::VirusAnswer& no_virus_answer() {
  static const backends::VirusAnswer answer;
  return answer;
}

}  // namespace

FactTable::FactTable(const Services& services, const policy::Program& program, SessionFacts& known,
                     StateRequests& requests)
    : services_(services),
      program_(program),
      known_(known),
      requests_(requests),
      questions_({services.dns, services.callout}),
      scans_(names("spam.") ? services.spam : nullptr, names("virus.") ? services.virus : nullptr) {
  life_.reserve(program.facts().size());
  for (const policy::UsedFact& used : program.facts()) {
    life_.push_back(life_of(used.signature));
    const std::string& name = used.signature.name;
    if (!services.own_spam || (name != "spam.score" && name != "spam.symbols")) continue;
    life_.back() = Life::Score;
    if (name == "spam.symbols") {
      own_symbols_ = static_cast<FactIndex>(life_.size() - 1);
      scorers_ = Value::list({});
    }
  }
  if (scans_.is_needed()) streams_.push_back(&scans_);
  if (!services.settings.authserv_id.empty() || names("dkim.") || names("dmarc.") ||
      names("arc.")) {
    signature_stream_ = std::make_unique<SignatureStream>();
    streams_.push_back(signature_stream_.get());
  }
}

// Of a fact that the program names, also as the argument of another.
bool FactTable::names(std::string_view prefix) const {
  const auto begins = [prefix](const std::string& name) { return begins_with(name, prefix); };
  const auto& used = program_.facts();
  return std::any_of(used.begin(), used.end(), [&](const policy::UsedFact& fact) {
    const auto& arguments = fact.signature.arguments;
    return begins(fact.signature.name) || std::any_of(arguments.begin(), arguments.end(), begins);
  });
}

FactTable::~FactTable() = default;

FactTable::Life FactTable::life_of(const policy::FactSignature& signature) {
  if (signature.name == "score") return Life::Score;
  // What lists say of helo and sender joins what they say of the client: never final before the
  // end of the event.
  if (signature.name == "dnsbl.names" || signature.name == "dnsbl.text") return Life::Event;
  if (begins_with(signature.name, "time.") || begins_with(signature.name, "command."))
    return Life::Event;
  if (signature.scope == mail::Scope::Recipient) return Life::Recipient;
  constexpr std::array<Life, mail::kStages> kByStage{
      Life::Connection, Life::Event,       Life::Helo,        Life::Transaction,
      Life::Recipient,  Life::Transaction, Life::Transaction, Life::Transaction};
  return kByStage[static_cast<std::size_t>(signature.available_from)];
}

void FactTable::begin_event(TimePoint, TimePoint deadline) {
  deadline_ = deadline;
  is_expired_ = false;
  questions_.begin_event();
}

void FactTable::begin_transaction() {
  known_.transaction_facts.clear();
  known_.headers.reset();
  content_.reset();
  questions_.begin_transaction();
}

void FactTable::set_scorers(const std::vector<policy::RuleId>& rules) {
  policy::Values names;
  for (const policy::RuleId rule : rules) names.emplace_back(program_.rule(rule).name);
  scorers_ = Value::list(std::move(names));
}

const Value* FactTable::given(const std::string& name) {
  return services_.given != nullptr ? services_.given->find(name, recipient()) : nullptr;
}

void FactTable::set_score(double score, bool is_pending) {
  score_ = score;
  is_score_pending_ = is_pending;
  score_value_ = Value(score);
}

const RecipientState* FactTable::recipient_state(std::uint32_t recipient) const {
  if (recipient == kNoElement) return known_.trying_state.get();
  return recipient < known_.accepted_states.size() ? &known_.accepted_states[recipient] : nullptr;
}
RecipientState* FactTable::recipient_state(std::uint32_t recipient) {
  return const_cast<RecipientState*>(std::as_const(*this).recipient_state(recipient));
}

const mail::Tls& FactTable::tls() const {
  static const mail::Tls none;
  return known_.tls ? *known_.tls : none;
}

const mail::Recipient* FactTable::recipient() const {
  if (element_ == kNoElement) return known_.trying.get();
  return element_ < known_.accepted.size() ? &known_.accepted[element_] : nullptr;
}

const facts::RecipientCounts* FactTable::recipient_counts() const {
  const RecipientState* state = recipient_state(element_);
  return state != nullptr ? &state->counts : nullptr;
}

FactMemo& FactTable::memo(Life life, std::uint32_t recipient) {
  switch (life) {
    case Life::Connection:
      return known_.connection_facts;
    case Life::Helo:
      return known_.helo_facts;
    case Life::Transaction:
      return known_.transaction_facts;
    case Life::Recipient:
      if (RecipientState* state = recipient_state(recipient)) return state->facts;
      break;
    case Life::Event:
    case Life::Score:
      break;
  }
  return event_->facts;
}

const Value* FactTable::find(FactKey key, Life life, std::uint32_t recipient) {
  if (const Value* value = event_->facts.find(key_of(key, recipient))) return value;
  return life == Life::Event ? nullptr : memo(life, recipient).find(key);
}

template <class Resolve>
const Value* FactTable::value_of(FactKey key, Life life, const std::string& name,
                                 std::uint32_t recipient, Resolve resolve) {
  if (life != Life::Recipient) recipient = kNoElement;
  if (const Value* value = find(key, life, recipient)) return value;
  // Facts ask facts: what is noted about the one at hand must not leak into the one that asked,
  // except that its answer is for this event only as well.
  const std::uint32_t outer_element = std::exchange(element_, recipient);
  const bool outer_deadline = std::exchange(used_deadline_, false);
  const bool outer_away = std::exchange(store_was_away_, false);
  facts::Outcome outcome;
  if (const Value* value = given(name)) {
    outcome = *value;
  } else {
    outcome = resolve();
  }
  if (store_was_away_) outcome = Value(Unknown{UnknownReason::Store});
  if (!outcome && is_expired_) {
    outcome = Value(Unknown{UnknownReason::Timeout});
    used_deadline_ = true;
  }
  const Value* kept = nullptr;
  if (outcome && (used_deadline_ || life == Life::Event)) {
    kept = event_->facts.keep(key_of(key, recipient), std::move(*outcome));
  } else if (outcome) {
    kept = memo(life, recipient).keep(key, std::move(*outcome));
  }
  element_ = outer_element;
  used_deadline_ = used_deadline_ || outer_deadline;
  store_was_away_ = outer_away;
  return kept;
}

facts::Outcome FactTable::resolve_named(FactIndex index) {
  const policy::UsedFact& used = program_.facts()[index];
  switch (used.origin) {
    case policy::UsedFact::Origin::Dnsbl:
      return facts::resolve_dnsbl(program_.dnsbls()[used.dnsbl], *this);
    case policy::UsedFact::Origin::Declared:
      return resolve_declared(used.signature);
    case policy::UsedFact::Origin::BuiltIn:
      break;
  }
  const facts::Fact* built_in = facts::find_fact(used.signature.name);
  return built_in != nullptr ? built_in->resolve(*this)
                             : facts::Outcome(Value(Unknown{UnknownReason::Unsupported}));
}

facts::Outcome FactTable::resolve_declared(const policy::FactSignature& signature) {
  for (const std::string& argument : signature.arguments) {
    const Value* value = fact(argument);
    if (value == nullptr) return std::nullopt;
    if (value->is_unknown()) return *value;
    if (value->is_none())
      return signature.type.optional ? Value() : Value(Unknown{UnknownReason::Argument});
  }
  return Value(Unknown{UnknownReason::External});
}

const Value* FactTable::fact(FactIndex index, std::uint32_t recipient) {
  const Life life = life_[index];
  if (life == Life::Score) {
    const std::string& name = program_.facts()[index].signature.name;
    if (const Value* value = name == "score" ? nullptr : given(name)) return value;
    if (is_score_pending_ && !is_expired_) return nullptr;
    return index == own_symbols_ ? &scorers_ : &score_value_;
  }
  return value_of(index, life, program_.facts()[index].signature.name, recipient,
                  [&] { return resolve_named(index); });
}

const Value* FactTable::fact(std::string_view name) {
  const auto& used = program_.facts();
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (used[i].signature.name == name) return fact(static_cast<FactIndex>(i), element_);
  }
  static const Value unsupported(Unknown{UnknownReason::Unsupported});
  const facts::Fact* built_in = facts::find_fact(name);
  if (built_in == nullptr) return &unsupported;
  const auto key = kUnnamed | static_cast<FactKey>(built_in - facts::all_facts().data());
  return value_of(key, life_of(built_in->signature), built_in->signature.name, element_,
                  [&] { return built_in->resolve(*this); });
}

const Value* FactTable::fact_of(std::string_view name, std::uint32_t recipient) {
  const std::uint32_t outer = std::exchange(element_, recipient);
  const Value* value = fact(name);
  element_ = outer;
  return value;
}

const Value* FactTable::known(FactIndex index, std::uint32_t recipient) {
  const Life life = life_[index];
  if (life == Life::Score) return index == own_symbols_ ? &scorers_ : &score_value_;
  return find(index, life, life == Life::Recipient ? recipient : kNoElement);
}

void FactTable::ask_ahead(mail::Stage stage) {
  if (stage == mail::Stage::Headers && signatures() != nullptr) {
    facts::ContextAnswers answers(*this);
    signatures()->ask_keys(answers);
  }
  if (stage == mail::Stage::Mail && !services_.settings.authserv_id.empty()) fact("spf.result");
  const auto& used = program_.facts();
  for (std::size_t i = 0; i < used.size(); ++i) {
    const auto& signature = used[i].signature;
    if (signature.available_from != stage || used[i].first_used == stage || signature.cost.empty())
      continue;
    if (used[i].origin != policy::UsedFact::Origin::Declared)
      fact(static_cast<FactIndex>(i), kNoElement);
  }
}

const Value* FactTable::header(std::string_view name) {
  static const Value none;
  if (!known_.message) return &none;
  const Value* given =
      services_.given != nullptr ? services_.given->find("header", nullptr) : nullptr;
  if (given != nullptr) return given;
  if (!known_.headers) known_.headers.emplace();
  auto& headers = *known_.headers;
  const auto found = headers.find(std::string(name));
  if (found != headers.end()) return &found->second;
  return &headers.emplace(std::string(name), first_header(*this, name)).first->second;
}

StateValue& FactTable::state_value(std::string key) {
  if (!event_->state) event_->state.emplace();
  return (*event_->state)[std::move(key)];
}

const Value* FactTable::contains(policy::ListId list, const Value& value) {
  static const Value no(false);
  static const Value too_late(Unknown{UnknownReason::Store});
  const policy::DynamicList& wanted = program_.dynamic_lists()[list];
  const auto element = list_element(value, wanted.element);
  if (!element) return &no;
  StateValue& answer = state_value("list/" + wanted.name + "/" + element->text);
  if (answer.value) return &*answer.value;
  if (!answer.slot)
    answer.slot =
        requests_.ask(backends::ListContains{wanted.name, element->text, element->address});
  if (!answer.slot->answer) return is_expired_ ? &too_late : nullptr;
  answer.value = answer.slot->answer->available ? Value(answer.slot->answer->contained) : too_late;
  return &*answer.value;
}

const Value* FactTable::seen(std::uint32_t site, std::span<const Value> values, Duration within) {
  static const Value too_late(Unknown{UnknownReason::Store});
  if (rule_ == nullptr) return &too_late;
  std::vector<std::string> parts;
  for (const Value& value : values) parts.push_back(key_part(value, policy::Kind::Text));
  const auto& sites = rule_->seen_sites;
  const auto call =
      static_cast<std::size_t>(std::find(sites.begin(), sites.end(), site) - sites.begin());
  std::string key = seen_key(program_, *rule_, call, parts);
  StateValue& answer = state_value(key);
  if (answer.value) return &*answer.value;
  if (!answer.slot) answer.slot = requests_.ask(backends::Seen{std::move(key)});
  if (!answer.slot->answer) return is_expired_ ? &too_late : nullptr;
  const auto& got = *answer.slot->answer;
  answer.value =
      got.available ? Value(got.last_seen && event_->now - *got.last_seen <= within) : too_late;
  return &*answer.value;
}

std::string FactTable::template_word(std::string_view word) {
  if (words_ == nullptr) return {};
  for (const auto& [name, text] : *words_) {
    if (name == word) return text;
  }
  return {};
}

// --- what facts ask ---

const backends::DnsAnswer* FactTable::dns(std::string_view name, backends::DnsType type) {
  const auto* answer = questions_.dns(name, type, deadline_);
  if (answer != nullptr || !is_expired_) return answer;
  used_deadline_ = true;
  return &dns_too_late();
}

const backends::SpamAnswer* FactTable::spam() {
  static const backends::SpamAnswer own{true, 0, {}, {}};
  if (services_.own_spam) return &own;
  const auto* answer = questions_.spam(
      [this](std::function<void(backends::SpamAnswer)> done) { scans_.ask_spam(deadline_, done); });
  if (answer != nullptr || !is_expired_) return answer;
  used_deadline_ = true;
  return &no_spam_answer();
}

const backends::VirusAnswer* FactTable::virus() {
  const auto* answer = questions_.virus([this](std::function<void(backends::VirusAnswer)> done) {
    scans_.ask_virus(deadline_, done);
  });
  if (answer != nullptr || !is_expired_) return answer;
  used_deadline_ = true;
  return &no_virus_answer();
}

const backends::CalloutAnswer* FactTable::callout(const backends::CalloutQuestion& question) {
  static const backends::CalloutAnswer too_late;
  const auto* answer = questions_.callout(question, deadline_);
  if (answer == nullptr && !is_expired_) return nullptr;
  if (answer == nullptr) answer = &too_late;
  // Not of the address but of this wait: the next event asks again.
  if (answer->status == backends::CalloutStatus::Timeout) used_deadline_ = true;
  return answer;
}

const std::optional<TimePoint>* FactTable::first_seen(const IpAddress& client) {
  if (!first_seen_slot_) first_seen_slot_ = requests_.ask(backends::Seen{first_seen_key(client)});
  if (!first_seen_slot_->answer) {
    if (!is_expired_) return nullptr;
    used_deadline_ = store_was_away_ = true;
    return &first_seen_;
  }
  store_was_away_ = !first_seen_slot_->answer->available;
  first_seen_ = first_seen_slot_->answer->first_seen;
  return &first_seen_;
}

facts::MessageSignatures* FactTable::signatures() {
  return signature_stream_ ? signature_stream_->signatures() : nullptr;
}

const facts::MessageContent* FactTable::content() {
  if (!known_.message) return nullptr;
  const bool lacks_body = content_ && event_->stage == mail::Stage::End && !content_->has_body();
  if (!content_ || lacks_body) content_ = make_content(known_, event_->stage);
  return content_.get();
}

}  // namespace sluice::engine
