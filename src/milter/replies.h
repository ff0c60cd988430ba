// Replies: a Verdict as the milter protocol wants it. MTA-side facts that shape this file: a single
// `%` makes libmilter drop the whole text, a 4yz with REJECT or a 5yz with TEMPFAIL is ignored, CR
// or LF fails, 421 closes only with TEMPFAIL.
#pragma once
#include <string>
#include <vector>

#include "mail/verdict.h"

namespace sluice::milter {

// Where a field is inserted that is added behind all others. Sendmail puts what is "added" in front
// of the last field; inserted at a place beyond the end, it stands at the end on both MTAs.
inline constexpr int kBehindAllFields = 100'000;

enum class Disposition : unsigned char { Continue, Reject, Tempfail, Discard };

struct WireReply {
  Disposition disposition = Disposition::Continue;
  std::string code;                // "550"; empty: no reply of our own
  std::string status;              // "5.7.1"
  std::vector<std::string> lines;  // `%` doubled
};

WireReply to_wire(const mail::Verdict& verdict);

}  // namespace sluice::milter
