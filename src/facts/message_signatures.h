// MessageSignatures: the DKIM signatures (RFC 6376) and the ARC chain (RFC 8617) of one message.
// Fed with the header, then the body as it arrives, then its end; of the body only digests are
// kept, so one of any length is verified.
//
// Threads: the session's.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "facts/arc_chain.h"
#include "facts/body_digests.h"
#include "facts/signature_check.h"
#include "facts/signed_fields.h"
#include "mail/session_view.h"

namespace sluice::facts {

inline constexpr std::size_t kMaxDkimSignatures =
    10;  // verified, from the top; the rest is left out

class MessageSignatures {
 public:
  // All header fields have come; they are only read here.
  explicit MessageSignatures(const mail::Message& message);
  void body(std::string_view chunk) { bodies_.feed(chunk); }
  // The end of the message; once.
  void end();

  // Starts the look-up of all keys; before or after the end.
  void ask_keys(DnsAnswers& answers) const;
  // After the end. One outcome for each signature, from the top; nullopt: pending. `now`: for x=.
  std::optional<std::vector<SignatureOutcome>> dkim(DnsAnswers& answers, TimePoint now);
  std::optional<ArcOutcome> arc(DnsAnswers& answers, TimePoint now);

 private:
  struct Prepared {
    std::optional<DkimSignature> signature;
    std::string header;                       // digest
    std::size_t body = 0;                     // which of the digests
    std::optional<SignatureOutcome> outcome;  // once it is final
  };
  Prepared prepare(const SignedFields& fields, std::size_t place);

  BodyDigests bodies_;
  std::vector<Prepared> signatures_;
  std::optional<ArcChain> arc_;
  std::optional<ArcOutcome> arc_outcome_;  // once it is final
  bool has_ended_ = false;
};

}  // namespace sluice::facts
