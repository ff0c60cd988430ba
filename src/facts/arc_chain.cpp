#include "facts/arc_chain.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "facts/public_key.h"

namespace sluice::facts {

namespace {

constexpr std::size_t kMaxInstanceDigits = 2;

// 1 to kMaxArcSets; 0 for anything else.
std::size_t instance_of(std::string_view digits) {
  std::size_t instance = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), instance);
  const bool good = error == std::errc{} && end == digits.data() + digits.size() &&
                    digits.size() <= kMaxInstanceDigits && instance <= kMaxArcSets;
  return good ? instance : 0;
}

// The i= of a seal or a message signature.
std::size_t instance_in_tags(std::string_view value) {
  const auto tags = TagList::parse(value);
  const auto digits = tags ? tags->find("i") : std::nullopt;
  return digits ? instance_of(*digits) : 0;
}

// ARC-Authentication-Results begins with "i=N;" (4.1.1); what follows is not a tag list.
std::size_t instance_in_results(std::string_view value) {
  const std::string_view first = trim_folding(value.substr(0, value.find(';')));
  const std::size_t equals = first.find('=');
  if (equals == std::string_view::npos || trim_folding(first.substr(0, equals)) != "i") return 0;
  return instance_of(trim_folding(first.substr(equals + 1)));
}

// Tag `name` of a seal.
std::string_view seal_tag(std::string_view value, std::string_view name) {
  const auto tags = TagList::parse(value);
  return tags ? tags->find(name).value_or(std::string_view()) : std::string_view();
}

}  // namespace

bool ArcChain::fail(std::string problem) {
  problem_ = std::move(problem);
  return false;
}

ArcChain::ArcChain(const SignedFields& fields, BodyDigests& bodies) {
  if (find_sets(fields) && !sets_.empty() && read_seals(fields))
    read_message_signature(fields, bodies);
}

// 5.2 steps 1 and 3a to 3c: each instance from 1 on has each field once.
bool ArcChain::find_sets(const SignedFields& fields) {
  struct Kind {
    std::string_view name;
    std::size_t (*instance)(std::string_view value);
    std::optional<std::size_t> Set::*place;
  };
  static constexpr Kind kKinds[] = {
      {"arc-authentication-results", instance_in_results, &Set::results},
      {"arc-message-signature", instance_in_tags, &Set::message},
      {"arc-seal", instance_in_tags, &Set::seal},
  };
  for (const Kind& kind : kKinds) {
    for (const std::size_t place : fields.places(kind.name)) {
      const std::size_t instance = kind.instance(fields.at(place).value);
      if (instance == 0) return fail(std::string(kind.name) + " without a valid instance");
      if (sets_.size() < instance) sets_.resize(instance);
      auto& slot = sets_[instance - 1].*kind.place;
      if (slot) return fail(std::string(kind.name) + " twice for one instance");
      slot = place;
    }
  }
  for (const Set& set : sets_)
    if (!set.results || !set.message || !set.seal) return fail("an incomplete set");
  return true;
}

// 5.2 steps 2 and 3d, 3e: what the seals say of the chain before them.
bool ArcChain::read_seals(const SignedFields& fields) {
  std::set<std::string> keys;
  for (std::size_t i = sets_.size(); i-- > 0;) {
    const std::string_view value = fields.at(*sets_[i].seal).value;
    if (seal_tag(value, "cv") != (i == 0 ? "none" : "pass"))
      return fail("a seal's cv= is not right");
    auto seal = parse_arc_seal(value);
    if (!seal) return fail("seal: " + seal.error().what);
    keys.insert(key_name(*seal));
    seals_.push_back({std::move(*seal), seal_digest(fields, i)});
  }
  if (keys.size() > kMaxArcKeys) return fail("too many different keys");
  return true;
}

// 5.1.1: the fields of all sets up to this one, in the order of their instances, the seal at the
// end without its signature.
std::string ArcChain::seal_digest(const SignedFields& fields, std::size_t set) const {
  std::string text;
  const auto append = [&](const mail::Header& field, bool is_last) {
    append_canonical_field(text, Canonical::Relaxed, field.name,
                           is_last ? without_signature(field.value) : field.value);
    if (!is_last) text += "\r\n";
  };
  for (std::size_t i = 0; i <= set; ++i) {
    append(fields.at(*sets_[i].results), false);
    append(fields.at(*sets_[i].message), false);
    append(fields.at(*sets_[i].seal), i == set);
  }
  return sha256(text);
}

bool ArcChain::read_message_signature(const SignedFields& fields, BodyDigests& bodies) {
  const std::size_t place = *sets_.back().message;
  auto signature = parse_arc_message_signature(fields.at(place).value);
  if (!signature) return fail("message signature: " + signature.error().what);
  std::string digest = fields.digest(*signature, place);
  body_ = bodies.want(signature->body_form, signature->body_length);
  message_ = Signed{std::move(*signature), std::move(digest)};
  return true;
}

void ArcChain::ask_keys(DnsAnswers& answers) const {
  if (!message_) return;
  answers.ask(key_name(message_->signature), backends::DnsType::Txt);
  for (const Signed& seal : seals_) answers.ask(key_name(seal.signature), backends::DnsType::Txt);
}

std::optional<ArcOutcome> ArcChain::check(const BodyDigests& bodies, DnsAnswers& answers,
                                          TimePoint now) const {
  if (!problem_.empty()) return ArcOutcome{ArcResult::Fail, {}, problem_, {}};
  if (!message_) return ArcOutcome{};
  bool is_pending = false;
  std::optional<ArcOutcome> undecided;
  const auto holds = [&](const Signed& field, const SignedDigests& digests) {
    const auto outcome = check_signature(field.signature, digests, answers, now);
    is_pending = is_pending || !outcome;
    if (outcome && outcome->result == SignatureResult::TempError && !undecided)
      undecided = ArcOutcome{ArcResult::TempError, {}, outcome->problem, outcome->failure};
    return !outcome || outcome->result == SignatureResult::Pass ||
           outcome->result == SignatureResult::TempError;
  };
  if (!holds(*message_, {message_->digest, bodies.digest(body_), bodies.is_whole(body_)}))
    return ArcOutcome{ArcResult::Fail, {}, "the newest message signature does not verify", {}};
  for (const Signed& seal : seals_)
    if (!holds(seal, {seal.digest, seal.signature.body_hash, true}))
      return ArcOutcome{ArcResult::Fail, {}, "a seal does not verify", {}};
  if (is_pending) return std::nullopt;
  if (undecided) return undecided;
  return ArcOutcome{ArcResult::Pass, seals_.front().signature.domain, {}, {}};
}

}  // namespace sluice::facts
