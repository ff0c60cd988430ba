// A signature field: DKIM-Signature (RFC 6376 3.5), ARC-Message-Signature and ARC-Seal (RFC
// 8617 4.1). Text in, plain values out; nothing is looked up and nothing is verified.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "facts/dkim_canonical.h"
#include "facts/tag_list.h"

namespace sluice::facts {

inline constexpr std::size_t kMaxSignedFields = 1'000;    // names in h=; more are an error
inline constexpr std::size_t kMaxSignatureBytes = 1'024;  // decoded b=: RSA keys of 8192 bits

enum class SigningAlgorithm : std::uint8_t { RsaSha1, RsaSha256, Ed25519Sha256 };
std::string_view algorithm_name(SigningAlgorithm algorithm);  // "rsa-sha256"

struct DkimSignature {
  SigningAlgorithm algorithm = SigningAlgorithm::RsaSha256;
  Canonical header_form = Canonical::Simple, body_form = Canonical::Simple;
  std::string domain;                        // d=, lower-case A-labels
  std::string selector;                      // s=, lower-case A-labels
  std::string identity_domain;               // of i=, else d=
  std::vector<std::string> signed_fields;    // h= in its order, lower case
  std::string body_hash;                     // bh=, decoded
  std::string signature;                     // b=, decoded
  std::string signature_start;               // the first 8 letters of b=, to tell signatures apart
  std::optional<std::uint64_t> body_length;  // l=
  std::optional<std::int64_t> signed_at, expires_at;  // t=, x=: seconds since 1970
};

// The value of a DKIM-Signature field. Error{Permanent}: what is wrong, for people. Refused are
// (RFC 6376 6.1.1) what lacks a required tag or has a broken one, an i= outside d=, an h= without
// From, an x= not behind t=, a query method other than dns/txt.
Result<DkimSignature> parse_dkim_signature(std::string_view value);

// The value of an ARC-Message-Signature field, without its i= (the instance). h= must not have
// ARC-Seal.
Result<DkimSignature> parse_arc_message_signature(std::string_view value);
// An ARC-Seal: d=, s=, a=, b=, t=; it covers whole fields, so h=, bh= and l= are errors.
Result<DkimSignature> parse_arc_seal(std::string_view value);

}  // namespace sluice::facts
