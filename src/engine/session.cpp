#include <algorithm>
#include <array>

#include "base/text.h"
#include "engine/decision_id.h"
#include "engine/session_state.h"
#include "facts/authentication_results.h"

namespace sluice::engine {

// --- Session::State ---

Session::State::State(const Services& shared, policy::ProgramPtr compiled)
    : services(shared),
      program(std::move(compiled)),
      sid(draw_session_id(shared.clock->now())),
      own_ledger(shared.ledger == nullptr ? std::make_unique<Ledger>() : nullptr),
      ledger(shared.ledger == nullptr ? *own_ledger : *shared.ledger),
      requests(shared.store),
      facts(services, *program, known, requests) {}

Session::State::~State() {
  if (round) round->close();
  abandon_event();
  for (auto* event : {connect_event.get(), helo_event.get(), here.get()}) {
    if (event != nullptr) release_all(event->limits);
  }
  end_transaction(false);
  release_all(scopes.connection_limits);
  send_settlement();
}

Progress Session::State::begin(mail::Stage which) {
  stage = which;
  started = now();
  started_steady = std::chrono::steady_clock::now();
  if (!transaction) transaction.emplace();
  const Duration left = services.message_deadline - transaction->waited;
  deadline = started + std::clamp(left, Duration{0}, services.deadline);
  id.clear();
  if (which >= mail::Stage::Mail) recall_events();
  requests.begin_event();
  facts.begin_event(started, deadline);
  here = make_recycled<StageEvent>();
  here->facts.stage = stage;
  here->facts.now = started;
  facts.enter(here->facts);
  facts.ask_ahead(stage);
  return drive();
}

Progress Session::State::drive() {
  for (int pass = 0;; ++pass) {
    requests.collect();
    facts.begin_pass();
    out = make_recycled<StageOutcome>();
    evaluate();
    requests.flush();
    if (!out->is_pending) break;
    if (facts.is_expired() || pass >= kMaxPasses) {
      facts.expire();
      requests.give_up();
      if (pass > 2 * kMaxPasses) break;
      continue;
    }
    if (!round) round = std::make_shared<Round>();
    requests.await(round);
    facts.questions().await(round);
    if (round->open() > 0) return std::nullopt;
  }
  return finish();
}

void Session::State::begin_transaction(mail::Envelope envelope) {
  end_transaction(false);
  facts.begin_transaction();
  known.envelope = std::move(envelope);
  transaction.emplace().is_open = true;
}

void Session::State::end_transaction(bool accepted) {
  std::array<LimitUses*, 4> lists{&scopes.message_limits};
  std::size_t count = 1;
  if (mail_event) lists[count++] = &mail_event->limits;
  if (headers_event) lists[count++] = &headers_event->limits;
  if (transaction) lists[count++] = &transaction->limits;
  if (accepted) {
    commit_last({lists.data(), count});
  } else {
    for (std::size_t i = 0; i < count; ++i) release_all(*lists[i]);
  }
  send_settlement();
  mail_event.reset();
  headers_event.reset();
  forget_bare_events();
  transaction.reset();
  for (ContentStream* stream : facts.streams()) stream->drop();
  scopes.message.clear();
  scopes.message_points.clear();
  scopes.all_recipients.clear();
  scopes.message_limits.clear();
  known.envelope.reset();
  known.accepted.clear();
  known.accepted_states.clear();
  known.trying.reset();
  known.trying_state.reset();
  known.message.reset();
  known.profile.reset();
}

void Session::State::set_tls(mail::Tls tls) {
  known.tls.reset();
  if (tls.active) known.tls = std::move(tls);
}

void Session::State::begin_message() {
  known.trying.reset();
  known.trying_state.reset();
  known.message.emplace();
  if (!transaction) transaction.emplace();
  choose_message_profile();
}

// Also of fields beyond what is kept: a reader further on sees them.
void Session::State::note_claim(const std::string& name, const std::string& value) {
  const std::string& own = services.settings.authserv_id;
  if (own.empty() || !equal_folded(trim(name), facts::kResultsField)) return;
  ++transaction->results_fields;
  if (facts::claimed_authserv_id(value) == fold(own) &&
      transaction->claims.size() < facts::kMaxClaims)
    transaction->claims.push_back(transaction->results_fields);
}

void Session::State::begin_content() {
  if (transaction->has_content) return;
  transaction->has_content = true;
  for (ContentStream* stream : facts.streams()) stream->begin(known, now());
}

bool Session::State::begin_pause() {
  bool is_full = false;
  for (ContentStream* stream : facts.streams()) {
    if (!round) round = std::make_shared<Round>();
    const auto arrived = round->expect();
    if (stream->await_room([arrived] { arrived({}); })) {
      is_full = true;
    } else {
      arrived({});
    }
  }
  if (!is_full) return false;
  transaction->paused = now();
  const Duration left = services.message_deadline - transaction->waited;
  deadline = *transaction->paused + std::clamp(left, Duration{0}, services.deadline);
  return true;
}

void Session::State::end_pause() {
  if (!transaction->paused) return;
  transaction->waited += std::max(Duration{0}, now() - *transaction->paused);
  transaction->paused.reset();
  round->close();
}

void Session::State::forget_helo() {
  if (helo_event) release_all(helo_event->limits);
  helo_event.reset();
  helo_at = kNever;
  known.helo_facts.clear();
  std::erase_if(scopes.connection,
                [](const auto& exemption) { return exemption.stage == mail::Stage::Helo; });
  std::erase_if(scopes.connection_points,
                [](const auto& points) { return points.stage == mail::Stage::Helo; });
}

void Session::State::recall_events() {
  const auto recall = [](Recycled<StageEvent>& event, mail::Stage of, TimePoint at) {
    if (event || at == kNever) return;
    event = make_recycled<StageEvent>();
    event->facts.stage = of;
    event->facts.now = at;
  };
  recall(connect_event, mail::Stage::Connect, connect_at);
  recall(helo_event, mail::Stage::Helo, helo_at);
}

void Session::State::forget_bare_events() {
  if (connect_at != kNever && connect_event && connect_event->is_bare()) connect_event.reset();
  if (helo_at != kNever && helo_event && helo_event->is_bare()) helo_event.reset();
}

StageEvent* Session::State::event_of(mail::Stage which) const {
  switch (which) {
    case mail::Stage::Connect:
      return connect_event.get();
    case mail::Stage::Helo:
      return helo_event.get();
    case mail::Stage::Mail:
      return mail_event.get();
    case mail::Stage::Headers:
      return headers_event.get();
    default:
      return nullptr;
  }
}

// --- Session ---

namespace {

void cut(std::string& text, std::size_t most) {
  if (text.size() > most) text.resize(most);
}

}  // namespace

Session::Session(const Services& services, policy::ProgramPtr program)
    : state_(std::make_unique<State>(services, std::move(program))) {}
Session::~Session() = default;

const policy::Program& Session::program() const { return *state_->program; }
bool Session::wants_content() const { return !state_->services.settings.authserv_id.empty(); }
const std::string& Session::sid() const { return state_->sid; }

Progress Session::connect(mail::Connection connection) {
  state_->known.connection = std::move(connection);
  return state_->begin(mail::Stage::Connect);
}

Progress Session::helo(std::string name, mail::Tls tls) {
  abort();
  state_->forget_helo();
  cut(name, state_->services.resources.argument_bytes);
  state_->known.helo = std::move(name);
  state_->set_tls(std::move(tls));
  return state_->begin(mail::Stage::Helo);
}

Progress Session::mail_from(mail::Envelope envelope, mail::Tls tls) {
  cut(envelope.sender_path, state_->services.resources.argument_bytes);
  state_->set_tls(std::move(tls));
  state_->begin_transaction(std::move(envelope));
  return state_->begin(mail::Stage::Mail);
}

Progress Session::rcpt_to(mail::Recipient recipient, std::string queue_id) {
  State& state = *state_;
  cut(recipient.path, state.services.resources.argument_bytes);
  if (!state.known.envelope) state.begin_transaction({});
  if (!queue_id.empty()) state.known.envelope->queue_id = std::move(queue_id);
  ++state.transaction->tried;
  state.known.trying = std::move(recipient);
  state.known.trying_state.emplace();
  state.known.trying_state->counts = {static_cast<int>(state.known.accepted.size()) + 1,
                                      state.transaction->tried, state.transaction->failed};
  state.is_over_cap = state.known.accepted.size() >= state.services.resources.recipients;
  return state.begin(mail::Stage::Rcpt);
}

Progress Session::data(std::string queue_id) {
  State& state = *state_;
  if (!state.known.envelope) state.begin_transaction({});
  if (!queue_id.empty()) state.known.envelope->queue_id = std::move(queue_id);
  state.begin_message();
  return state.begin(mail::Stage::Data);
}

Progress Session::unknown_command(std::string line) {
  cut(line, state_->services.resources.argument_bytes);
  ++state_->known.unknown_commands;
  state_->known.command = std::move(line);
  return state_->begin(mail::Stage::Command);
}

void Session::header(std::string name, std::string value) {
  State& state = *state_;
  if (!state.known.message) state.begin_message();
  state.note_claim(name, value);
  mail::Message& message = *state.known.message;
  const Resources& caps = state.services.resources;
  const std::size_t bytes = name.size() + value.size() + 3;  // the colon and the line end
  const bool fits =
      message.headers.size() < caps.headers && message.headers_bytes + bytes <= caps.header_bytes;
  ++message.headers_total;
  message.headers_bytes += bytes;
  if (fits) message.headers.push_back({std::move(name), std::move(value)});
}

Progress Session::end_of_headers(std::string queue_id) {
  State& state = *state_;
  if (!state.known.envelope) state.begin_transaction({});
  if (!queue_id.empty()) state.known.envelope->queue_id = std::move(queue_id);
  if (!state.known.message) state.begin_message();
  state.begin_content();
  return state.begin(mail::Stage::Headers);
}

bool Session::body(std::string_view chunk) {
  State& state = *state_;
  if (!state.known.message) state.begin_message();
  state.begin_content();
  state.end_pause();
  mail::Message& message = *state.known.message;
  message.body_bytes += chunk.size();
  if (state.program->keeps_body()) {
    const std::size_t room = state.services.resources.body_bytes -
                             std::min(state.services.resources.body_bytes, message.body.size());
    message.body.append(chunk.substr(0, room));
    if (chunk.size() > room) message.body_truncated = true;
  }
  for (ContentStream* stream : state.facts.streams()) stream->body(chunk);
  return state.begin_pause();
}

Progress Session::end_of_message(std::string queue_id) {
  State& state = *state_;
  if (!state.known.envelope) state.begin_transaction({});
  if (!queue_id.empty()) state.known.envelope->queue_id = std::move(queue_id);
  if (!state.known.message) state.begin_message();
  state.begin_content();
  state.end_pause();
  for (ContentStream* stream : state.facts.streams()) stream->end();
  state.facts.begin_body();
  return state.begin(mail::Stage::End);
}

void Session::abort() {
  if (state_->round) state_->round->close();
  state_->abandon_event();
  state_->end_transaction(false);
}

Progress Session::resume(bool deadline_passed) {
  State& state = *state_;
  if (deadline_passed) {
    state.round->close();
    state.facts.expire();
    state.requests.collect();
    state.requests.give_up();
  }
  return state.drive();
}

Round& Session::round() {
  if (!state_->round) state_->round = std::make_shared<Round>();
  return *state_->round;
}

TimePoint Session::deadline() const { return state_->deadline; }

}  // namespace sluice::engine
