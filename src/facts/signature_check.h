// One signature against its key in the DNS (RFC 6376 6.1.2, 6.1.3), for DKIM and for ARC.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "backends/dns_resolver.h"
#include "base/clock.h"
#include "facts/dkim_signature.h"
#include "facts/dns_answers.h"

namespace sluice::facts {

inline constexpr std::size_t kMaxKeyRecords =
    4;  // TXT records tried at one name; the rest is left out

// The words of RFC 8601 2.7.1, from the best to the worst.
enum class SignatureResult : std::uint8_t {
  Pass,
  Policy,     // it may verify, but is not accepted: rsa-sha1, a short key, expired
  Fail,       // body or header were changed, or it is forged
  Neutral,    // it cannot be read, or the signer says that it is a test
  PermError,  // there is no key, or none that may be used for it
  TempError,  // the DNS failed
};
std::string_view signature_result_name(SignatureResult result);

struct SignatureOutcome {
  SignatureResult result = SignatureResult::Neutral;
  std::string domain, selector;                           // empty when the field cannot be read
  std::string_view algorithm;                             // "rsa-sha256"; empty as above
  std::string signature_start;                            // of b=
  std::string problem;                                    // of all but Pass: one line for people
  backends::DnsStatus failure = backends::DnsStatus::Ok;  // of TempError
};

// What the message gives to one signature.
struct SignedDigests {
  std::string_view header;    // SHA-256 of the canonical fields
  std::string_view body;      // of the canonical body
  bool body_is_whole = true;  // false: the body is shorter than l=
};

// selector._domainkey.domain; empty when that is too long for a name.
std::string key_name(const DkimSignature& signature);
// nullopt: the key is not there yet. Seals have no body: `digests.body` is then the signature's own
// (empty) body hash.
std::optional<SignatureOutcome> check_signature(const DkimSignature& signature,
                                                const SignedDigests& digests, DnsAnswers& answers,
                                                TimePoint now);

}  // namespace sluice::facts
