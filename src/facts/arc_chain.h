// An ARC chain (RFC 8617 5.2): the sets of ARC-Authentication-Results, ARC-Message-Signature and
// ARC-Seal of a message, and whether they hold.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/dns_resolver.h"
#include "facts/body_digests.h"
#include "facts/signature_check.h"
#include "facts/signed_fields.h"

namespace sluice::facts {

inline constexpr std::size_t kMaxArcSets = 50;  // RFC 8617 4.2.1; more are a fail
inline constexpr std::size_t kMaxArcKeys =
    10;  // different keys of one chain; more are not looked up

enum class ArcResult : std::uint8_t { None, Pass, Fail, TempError };

struct ArcOutcome {
  ArcResult result = ArcResult::None;
  std::string sealer;   // of Pass: d= of the newest seal
  std::string problem;  // of Fail and TempError: one line for people
  backends::DnsStatus failure = backends::DnsStatus::Ok;  // of TempError
};

class ArcChain {
 public:
  // Reads the chain; wants the digest of the body of its newest message signature.
  ArcChain(const SignedFields& fields, BodyDigests& bodies);
  // Starts the look-up of all keys.
  void ask_keys(DnsAnswers& answers) const;
  // nullopt: pending. After the end of `bodies`.
  std::optional<ArcOutcome> check(const BodyDigests& bodies, DnsAnswers& answers,
                                  TimePoint now) const;

 private:
  struct Signed {
    DkimSignature signature;
    std::string digest;  // of the header
  };
  // Each false: `problem_` says why the chain fails.
  bool find_sets(const SignedFields& fields);
  bool read_seals(const SignedFields& fields);
  bool read_message_signature(const SignedFields& fields, BodyDigests& bodies);
  bool fail(std::string problem);
  std::string seal_digest(const SignedFields& fields, std::size_t set) const;

  struct Set {
    std::optional<std::size_t> results, message, seal;  // places of the fields
  };
  std::vector<Set> sets_;
  std::vector<Signed> seals_;  // from the newest to the oldest
  std::optional<Signed> message_;
  std::size_t body_ = 0;
  std::string problem_;
};

}  // namespace sluice::facts
