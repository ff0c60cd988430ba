#include "app/replay_player.h"

#include <algorithm>

#include "app/replay_facts.h"

namespace sluice::app {

using engine::Answer;
using engine::Progress;

std::string Ruling::answer() const {
  std::string text(mail::action_name(action));
  if (code != 0) text += " " + std::to_string(code) + (status.empty() ? "" : " " + status);
  return text;
}

ReplayPlayer::ReplayPlayer(policy::ProgramPtr program, ReplaySettings settings)
    : program_(std::move(program)), store_(clock_), facts_(std::make_unique<ReplayFacts>()) {
  services_.clock = &clock_;
  services_.store = &store_;
  services_.ledger = &ledger_;
  services_.dns = settings.dns;
  services_.sink = settings.sink;
  services_.settings = std::move(settings.facts);
  services_.resources = settings.resources;
  services_.reply_id = false;
  services_.given = facts_.get();
}

ReplayPlayer::~ReplayPlayer() = default;

// The store's time never goes back; logs do, a little. Leases of open sessions are renewed as the
// service does.
void ReplayPlayer::set_time(TimePoint at) {
  clock_.set(std::max(clock_.now(), at));
  if (clock_.now() - renewed_ < engine::kRenewEvery) return;
  renewed_ = clock_.now();
  if (ledger_.held() > 0) ledger_.renew(store_);
}

Ruling ReplayPlayer::ruling_of(engine::Session& session, Progress progress) {
  constexpr Duration kPatience{60'000};
  while (!progress) progress = session.resume(!session.round().wait(kPatience));
  const engine::DecisionRecord& record = progress->record;
  for (const std::string& fact : record.unknown) {
    if (unknown_.size() < kMaxUnknown || unknown_.count(fact) > 0) ++unknown_[fact];
  }
  const mail::Verdict& verdict = progress->verdict;
  Ruling ruling;
  if (verdict.action == mail::Action::Continue) return ruling;
  ruling.action = verdict.action;
  ruling.rule = record.rule;
  ruling.is_weak = record.weak;
  if (ruling.rule.empty() && !record.marks.empty()) ruling.rule = record.marks.front();
  if (!verdict.reply.empty()) {
    ruling.code = verdict.reply.code();
    ruling.status = verdict.reply.status().to_string();
  }
  return ruling;
}

ReplayPlayer::Open& ReplayPlayer::begin(const ReplayEvent& event) {
  if (!event.session.empty()) end(event.session);
  while (open_.size() >= kMaxOpenSessions) {
    const std::string idle = open_.back().name;
    if (idle.empty())
      open_.pop_back();
    else
      end(idle);
  }
  Open& open = open_.emplace_front();
  open.name = event.session;
  open.session = std::make_unique<engine::Session>(services_, program_);
  if (!open.name.empty()) by_name_[open.name] = open_.begin();
  ++sessions_begun_;
  open.ruling = ruling_of(*open.session, open.session->connect(event.connection));
  return open;
}

ReplayPlayer::Open& ReplayPlayer::session_of(const ReplayEvent& event) {
  const auto found = event.session.empty() ? by_name_.end() : by_name_.find(event.session);
  if (found == by_name_.end()) return begin(event);
  open_.splice(open_.begin(), open_, found->second);
  return open_.front();
}

void ReplayPlayer::end(const std::string& name) {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return;
  open_.erase(found->second);
  by_name_.erase(found);
}

void ReplayPlayer::rule_all(const Ruling& ruling) {
  for (Ruling& one : rulings_)
    if (one.passes()) one = ruling;
}

bool ReplayPlayer::say_helo(Open& open, const ReplayEvent& event) {
  if (open.has_helo && (!event.helo || open.helo == event.helo)) return true;
  open.has_helo = true;
  open.has_mail = false;
  if (event.helo) open.helo = event.helo;
  open.ruling = ruling_of(
      *open.session, open.session->helo(open.helo.value_or(""), event.tls.value_or(mail::Tls{})));
  return open.ruling.passes();
}

bool ReplayPlayer::say_mail(Open& open, const ReplayEvent& event) {
  if (open.has_mail && open.sender == event.sender) return true;
  mail::Envelope envelope;
  envelope.sender_path = "<" + event.sender + ">";
  envelope.login = event.login;
  if (event.size) envelope.parameters.push_back("SIZE=" + std::to_string(*event.size));
  open.sender = event.sender;
  const Ruling ruling = ruling_of(
      *open.session, open.session->mail_from(std::move(envelope), event.tls.value_or(mail::Tls{})));
  open.has_mail = ruling.passes();
  if (ruling.action == mail::Action::Disconnect) open.ruling = ruling;
  if (!open.has_mail) rule_all(ruling);
  return open.has_mail;
}

// How many recipients the policy takes.
int ReplayPlayer::say_rcpt(Open& open, const ReplayEvent& event) {
  int accepted = 0;
  for (std::size_t i = 0; i < event.recipients.size() && open.ruling.passes(); ++i) {
    const ReplayRecipient& told = event.recipients[i];
    mail::Recipient recipient;
    recipient.path = "<" + told.address + ">";
    recipient.refused_by_mta = told.is_unknown_to_mta;
    if (told.is_unknown_to_mta) recipient.mta_reason = told.refusal;
    rulings_[i] =
        ruling_of(*open.session, open.session->rcpt_to(std::move(recipient), event.queue_id));
    if (rulings_[i].action == mail::Action::Disconnect) open.ruling = rulings_[i];
    if (rulings_[i].passes() && told.refusal.empty()) ++accepted;
  }
  if (!open.ruling.passes()) rule_all(open.ruling);
  return accepted;
}

void ReplayPlayer::say_message(Open& open, const ReplayEvent& event) {
  engine::Session& session = *open.session;
  open.has_mail = false;
  Ruling ruling = ruling_of(session, session.data(event.queue_id));
  if (ruling.passes()) {
    for (const mail::Header& header : event.headers) session.header(header.name, header.value);
    ruling = ruling_of(session, session.end_of_headers());
  }
  if (ruling.passes()) {
    session.body(event.body);
    ruling = ruling_of(session, session.end_of_message(event.queue_id));
  }
  if (!ruling.passes()) session.abort();
  if (ruling.action == mail::Action::Disconnect) open.ruling = ruling;
  rule_all(ruling);
}

void ReplayPlayer::transaction(Open& open, const ReplayEvent& event) {
  rulings_.assign(std::max<std::size_t>(event.recipients.size(), 1), Ruling());
  const bool is_refused = !open.ruling.passes() || !say_helo(open, event);
  if (is_refused) return rule_all(open.ruling);
  if (!say_mail(open, event)) return;
  if (say_rcpt(open, event) > 0) say_message(open, event);
}

const std::vector<Ruling>& ReplayPlayer::play(const ReplayEvent& event) {
  set_time(event.at);
  facts_->set(event);
  rulings_.clear();
  switch (event.kind) {
    case ReplayEvent::Kind::Connect:
      begin(event);
      break;
    case ReplayEvent::Kind::Disconnect:
      end(event.session);
      break;
    case ReplayEvent::Kind::Transaction: {
      Open& open = session_of(event);
      transaction(open, event);
      if (event.session.empty()) open_.pop_front();
      break;
    }
  }
  return rulings_;
}

}  // namespace sluice::app
