// What the end of an SMTP session says about the address that was asked for (RFC 5321, 3463, 7505).
//
// Only a refusal of the recipient itself is a no. Servers also refuse the one who asks: its
// address, its name, the null sender, everybody who is new (greylisting). Such an answer says
// nothing of the address, and one that could be either is taken for this.
#pragma once
#include "backends/callout.h"
#include "backends/smtp_client.h"

namespace sluice::backends {

struct CalloutReading {
  CalloutStatus status = CalloutStatus::Undecided;
  // The session did not come as far as the recipient: another host of the domain may say more, and
  // what was found out holds for the whole domain.
  bool is_of_host = true;
};
CalloutReading read_callout(const SmtpOutcome& outcome);
// "mail: 550 5.7.1 …", "no connection": for a person.
std::string describe_callout(const SmtpOutcome& outcome);

}  // namespace sluice::backends
