#include "facts/signature_check.h"

#include <algorithm>
#include <array>

#include "facts/public_key.h"

namespace sluice::facts {

namespace {

constexpr std::size_t kMaxDnsName = 253;
constexpr std::array<std::string_view, 6> kNames{"pass",    "policy",    "fail",
                                                 "neutral", "permerror", "temperror"};

struct Judgement {
  SignatureResult result;
  std::string problem;
};

// Why it is no pass, whatever key there is.
std::optional<Judgement> judge_alone(const DkimSignature& signature, TimePoint now) {
  if (signature.algorithm == SigningAlgorithm::RsaSha1)
    return Judgement{SignatureResult::Policy, "rsa-sha1 is not accepted"};
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  if (signature.expires_at && *signature.expires_at < seconds)
    return Judgement{SignatureResult::Policy, "signature expired"};
  if (key_name(signature).empty()) return Judgement{SignatureResult::Neutral, "name is too long"};
  return std::nullopt;
}

bool body_fits(const DkimSignature& signature, const SignedDigests& digests) {
  return digests.body_is_whole && signature.body_hash == digests.body;
}

// Why this key is not for this signature; empty: it is.
std::string_view mismatch(const DkimSignature& signature, const DkimKey& key) {
  const KeyType wanted =
      signature.algorithm == SigningAlgorithm::Ed25519Sha256 ? KeyType::Ed25519 : KeyType::Rsa;
  if (key.bytes.empty()) return "key was revoked";
  if (key.type != wanted) return "key is of another type";
  if (!key.takes_sha256) return "key does not take sha256";
  if (!key.takes_mail) return "key is not for mail";
  if (key.is_strict && signature.identity_domain != signature.domain)
    return "key does not take i= of a subdomain";
  return {};
}

Judgement judge_by_key(const DkimSignature& signature, const SignedDigests& digests,
                       const DkimKey& record) {
  if (const auto why = mismatch(signature, record); !why.empty())
    return {SignatureResult::PermError, std::string(why)};
  const auto key = PublicKey::from(record);
  if (!key) return {SignatureResult::PermError, key.error().what};
  if (record.type == KeyType::Rsa && (key->bits() < kMinRsaBits || key->bits() > kMaxRsaBits))
    return {SignatureResult::Policy, "key of " + std::to_string(key->bits()) + " bits"};
  const SignatureResult bad = record.is_test ? SignatureResult::Neutral : SignatureResult::Fail;
  if (!body_fits(signature, digests)) return {bad, "body hash did not verify"};
  if (!key->verifies(digests.header, signature.signature)) return {bad, "signature did not verify"};
  return {SignatureResult::Pass, {}};
}

Judgement judge_by_records(const DkimSignature& signature, const SignedDigests& digests,
                           const std::vector<backends::DnsRecord>& records) {
  std::optional<Judgement> best;
  for (std::size_t i = 0; i < records.size() && i < kMaxKeyRecords; ++i) {
    const auto key = parse_dkim_key(records[i].text);
    Judgement found =
        key ? judge_by_key(signature, digests, *key)
            : Judgement{SignatureResult::PermError, "key record: " + key.error().what};
    if (!best || found.result < best->result) best = std::move(found);
  }
  return best.value_or(Judgement{SignatureResult::PermError, "no key"});
}

// A body that was changed is a fail even when nobody tells the key.
Judgement judge_without_answer(const DkimSignature& signature, const SignedDigests& digests) {
  if (!body_fits(signature, digests)) return {SignatureResult::Fail, "body hash did not verify"};
  return {SignatureResult::TempError, "key could not be looked up"};
}

}  // namespace

std::string_view signature_result_name(SignatureResult result) {
  return kNames[static_cast<std::size_t>(result)];
}

std::string key_name(const DkimSignature& signature) {
  std::string name = signature.selector + "._domainkey." + signature.domain;
  if (name.size() > kMaxDnsName) name.clear();
  return name;
}

std::optional<SignatureOutcome> check_signature(const DkimSignature& signature,
                                                const SignedDigests& digests, DnsAnswers& answers,
                                                TimePoint now) {
  SignatureOutcome outcome;
  outcome.domain = signature.domain;
  outcome.selector = signature.selector;
  outcome.algorithm = algorithm_name(signature.algorithm);
  outcome.signature_start = signature.signature_start;
  std::optional<Judgement> judgement = judge_alone(signature, now);
  if (!judgement) {
    const backends::DnsAnswer* answer = answers.ask(key_name(signature), backends::DnsType::Txt);
    if (answer == nullptr) return std::nullopt;
    const bool answered = backends::is_answer(answer->status);
    judgement = answered ? judge_by_records(signature, digests, answer->records)
                         : judge_without_answer(signature, digests);
    if (judgement->result == SignatureResult::TempError) outcome.failure = answer->status;
  }
  outcome.result = judgement->result;
  outcome.problem = std::move(judgement->problem);
  return outcome;
}

}  // namespace sluice::facts
