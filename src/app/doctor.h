// `sluice doctor`: looks at the MTA's configuration, the running service and what it depends on, and
// says what is wrong and how it is mended. It changes nothing; `--send` sends one message.
//
// Each check is a function that adds findings. Most need to read what root may read; what cannot be
// looked at is a finding too.
#pragma once
#include <iosfwd>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/config.h"
#include "policy/program.h"

namespace sluice::app {

struct Finding {
  enum class Weight : std::uint8_t {
    Good,
    Note,  // may be meant so
    Warn,  // works, but not as well as it could
    Bad    // mail is lost, passes unfiltered, or is answered wrongly
  };
  Weight weight = Weight::Good;
  std::string about;  // one word: attached, timeouts, …
  std::string what;
  std::string cure;   // a command or a line of a file; empty for Good
};
using Findings = std::vector<Finding>;

struct DoctorOptions {
  std::string config;                          // -c
  std::string mta = "127.0.0.1:25";            // where it takes mail
  std::string postfix = "/etc/postfix";        // its configuration folder
  std::string sendmail = "/etc/mail/sendmail.cf";
  bool send = false;
  std::string to = "postmaster";               // of the message that is sent
  bool json = false;
};

// What the checks look at.
struct Patient {
  const DoctorOptions& options;
  const ServiceConfig& config;
  const policy::Program* program = nullptr;  // null: the policy has mistakes
};

void check_service(const Patient& patient, Findings& findings);
void check_mta(const Patient& patient, Findings& findings);
void check_postfix(const Patient& patient, Findings& findings);
void check_sendmail(const Patient& patient, Findings& findings);
void check_dns(const Patient& patient, Findings& findings);
// Each server that the configuration names, the master that Sentinels name: is it there, does it take
// the password, has the user the rights it needs and no more, does the server keep what it is given.
// Rights are tried with one script on a key of its own, which is gone when the script ends.
void check_redis(const Patient& patient, Findings& findings);
// Sends a message through the MTA and asks the service whether it saw it.
void check_by_mail(const Patient& patient, Findings& findings);

// Whether the policy names a fact that begins so ("auth.", "dnsbl.").
bool uses_fact(const policy::Program* program, std::string_view prefix);
// Whether `user` (or "root") may connect to a unix socket at `path`: the reason why not, or empty.
std::string why_unreachable(const std::string& path, const std::string& user);

// Exit codes: 0, 65 when something is bad.
int doctor_command(const DoctorOptions& options, std::ostream& out, std::ostream& err);

}  // namespace sluice::app
