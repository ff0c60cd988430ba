#include "facts/message_signatures.h"

#include <algorithm>

namespace sluice::facts {

namespace {

SignatureOutcome unread(SignatureResult result, std::string problem) {
  SignatureOutcome outcome;
  outcome.result = result;
  outcome.problem = std::move(problem);
  return outcome;
}

}  // namespace

// Of a header that is not seen whole no signature can be verified: a field that nobody looked at
// may be the one that a reader sees.
MessageSignatures::MessageSignatures(const mail::Message& message) {
  const SignedFields fields(message.headers);
  const auto& places = fields.places("dkim-signature");
  const std::size_t count = std::min(places.size(), kMaxDkimSignatures);
  const bool is_whole = message.headers_total <= message.headers.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (is_whole) {
      signatures_.push_back(prepare(fields, places[i]));
    } else {
      signatures_.emplace_back().outcome =
          unread(SignatureResult::PermError, "more header fields than are looked at");
    }
  }
  if (is_whole) {
    arc_.emplace(fields, bodies_);
  } else if (!fields.places("arc-seal").empty()) {
    arc_outcome_ = ArcOutcome{ArcResult::Fail, {}, "more header fields than are looked at", {}};
  }
}

MessageSignatures::Prepared MessageSignatures::prepare(const SignedFields& fields,
                                                       std::size_t place) {
  Prepared prepared;
  auto signature = parse_dkim_signature(fields.at(place).value);
  if (!signature) {
    prepared.outcome = unread(SignatureResult::Neutral, std::move(signature.error().what));
    return prepared;
  }
  prepared.header = fields.digest(*signature, place);
  prepared.body = bodies_.want(signature->body_form, signature->body_length);
  prepared.signature = std::move(*signature);
  return prepared;
}

void MessageSignatures::end() {
  if (has_ended_) return;
  bodies_.end();
  has_ended_ = true;
}

void MessageSignatures::ask_keys(DnsAnswers& answers) const {
  for (const Prepared& prepared : signatures_) {
    const std::string name = prepared.signature ? key_name(*prepared.signature) : std::string();
    if (!name.empty()) answers.ask(name, backends::DnsType::Txt);
  }
  if (arc_) arc_->ask_keys(answers);
}

// What the DNS did not answer may be answered later; all else is final.
std::optional<std::vector<SignatureOutcome>> MessageSignatures::dkim(DnsAnswers& answers,
                                                                     TimePoint now) {
  bool is_pending = false;
  std::vector<SignatureOutcome> outcomes;
  for (Prepared& prepared : signatures_) {
    if (prepared.outcome) {
      outcomes.push_back(*prepared.outcome);
      continue;
    }
    const SignedDigests digests{prepared.header, bodies_.digest(prepared.body),
                                bodies_.is_whole(prepared.body)};
    const auto outcome = check_signature(*prepared.signature, digests, answers, now);
    is_pending = is_pending || !outcome;
    if (!outcome) continue;
    if (outcome->result != SignatureResult::TempError) prepared.outcome = outcome;
    outcomes.push_back(*outcome);
  }
  if (is_pending) return std::nullopt;
  return outcomes;
}

std::optional<ArcOutcome> MessageSignatures::arc(DnsAnswers& answers, TimePoint now) {
  if (arc_outcome_) return arc_outcome_;
  if (!arc_) return ArcOutcome{};
  auto outcome = arc_->check(bodies_, answers, now);
  if (outcome && outcome->result != ArcResult::TempError) arc_outcome_ = outcome;
  return outcome;
}

}  // namespace sluice::facts
