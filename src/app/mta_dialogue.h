// MtaDialogues: the sessions of policy tests through a real MTA. This process is the milter of that
// MTA (it listens where the MTA connects) and its SMTP client: client facts go by XCLIENT, so the
// MTA must allow it; policy, given facts, state and clock are those of the test.
//
// What no MTA can present is skipped and said: the MTA's own refusals, STARTTLS and AUTH, names
// that only the given DNS knows. TLS is given as facts.
//
// Threads: one plays; the front end's answer.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "app/test_dialogue.h"
#include "base/result.h"

namespace sluice::app {

struct MtaAddress {
  std::string mta;     // HOST:PORT of its SMTP port; HOST an IPv4 address
  std::string listen;  // unix:PATH or inet:HOST:PORT, as the MTA's smtpd_milters says
};

Result<std::unique_ptr<DialogueSource>> make_mta_dialogues(const MtaAddress& address);

}  // namespace sluice::app
