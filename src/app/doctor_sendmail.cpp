// Sendmail: the lines that sendmail.mc makes of INPUT_MAIL_FILTER in sendmail.cf.
#include <fmt/format.h>

#include <fstream>
#include <map>

#include "app/doctor.h"
#include "app/postconf.h"
#include "base/text.h"

namespace sluice::app {
namespace {

using Weight = Finding::Weight;

constexpr const char* kMacro = "INPUT_MAIL_FILTER(`sluice', `S=local:{}, F=T, T=C:30s;S:30s;R:30s;E:5m')dnl in sendmail.mc";

struct Milter {
  std::string name, socket, flags;
  std::map<char, Duration> timeouts;  // C S R E
};

// "Xsluice, S=local:/run/sluice/milter.sock, F=T, T=C:30s;S:30s;R:30s;E:5m"
std::optional<Milter> parse_milter(std::string_view line) {
  if (line.size() < 2 || line.front() != 'X') return std::nullopt;
  Milter milter;
  bool is_first = true;
  for (const std::string_view raw : split(line.substr(1), ',')) {
    const std::string_view part = trim(raw);
    if (is_first) milter.name = std::string(part);
    is_first = false;
    if (part.substr(0, 2) == "S=") milter.socket = std::string(part.substr(2));
    if (part.substr(0, 2) == "F=") milter.flags = std::string(part.substr(2));
    if (part.substr(0, 2) != "T=") continue;
    for (const std::string_view one : split(part.substr(2), ';'))
      if (one.size() > 2 && one[1] == ':') milter.timeouts[one[0]] = parse_postfix_time(one.substr(2));
  }
  return milter;
}

bool is_ours(const Patient& patient, const Milter& milter) {
  for (const milter::ListenSpec& spec : patient.config.listen) {
    if (spec.kind == milter::ListenSpec::Kind::Unix &&
        (milter.socket == "local:" + spec.path || milter.socket == "unix:" + spec.path))
      return true;
    if (spec.kind == milter::ListenSpec::Kind::Inet &&
        milter.socket.find(":" + std::to_string(spec.port) + "@") != std::string::npos)
      return true;
  }
  return false;
}

void check_milter(const Patient& patient, const Milter& milter, Findings& findings) {
  findings.push_back({Weight::Good, "attached", "sendmail.cf names the filter: " + milter.name + " at " + milter.socket, {}});
  const std::string& socket = milter.socket;
  if (socket.compare(0, 5, "inet:") != 0 && socket.compare(0, 6, "inet6:") != 0) {
    const std::string path = socket.substr(socket.find(':') + 1);
    const std::string why = why_unreachable(path, "root");
    if (why.empty()) findings.push_back({Weight::Good, "socket", "root reaches " + path, {}});
    else findings.push_back({Weight::Bad, "socket", why, "systemctl start sluice"});
  }
  for (const auto& [letter, meaning, cure] : {std::tuple{'S', "sending", "S:30s"}, std::tuple{'R', "reading an answer", "R:30s"},
                                              std::tuple{'E', "the end of the message", "E:5m"}}) {
    // Defaults of Sendmail 8.17: C:5m S:10s R:10s E:5m.
    const auto found = milter.timeouts.find(letter);
    const Duration waits = found != milter.timeouts.end() ? found->second : Duration{letter == 'E' ? 300'000 : 10'000};
    if (waits <= patient.config.deadline)
      findings.push_back({Weight::Bad, "timeouts",
                          fmt::format("the time for {} (T={}) is {}, not longer than the filter's deadline of {}", meaning, letter,
                                      render_duration(waits), render_duration(patient.config.deadline)),
                          fmt::format("T=C:30s;{};… in INPUT_MAIL_FILTER", cure)});
  }
  if (milter.flags.empty())
    findings.push_back({Weight::Note, "fallback", "no F=: mail passes unfiltered while the filter is away", "F=T in INPUT_MAIL_FILTER"});
  if (milter.flags.find('R') != std::string::npos)
    findings.push_back({Weight::Warn, "fallback", "F=R: mail is refused for good while the filter is away", "F=T in INPUT_MAIL_FILTER"});
}

}  // namespace

void check_sendmail(const Patient& patient, Findings& findings) {
  std::ifstream file(patient.options.sendmail);
  if (!file) {
    findings.push_back({Weight::Bad, "sendmail", patient.options.sendmail + " cannot be read", "run doctor as root"});
    return;
  }
  std::string filters, authenticates, certificate;
  std::optional<Milter> milter;
  for (std::string line; std::getline(file, line);) {
    if (auto found = parse_milter(line); found && is_ours(patient, *found)) milter = std::move(found);
    if (line.compare(0, 19, "O InputMailFilters=") == 0) filters = line.substr(19);
    if (line.compare(0, 17, "O AuthMechanisms=") == 0) authenticates = line.substr(17);
    if (line.compare(0, 17, "O ServerCertFile=") == 0) certificate = line.substr(17);
  }
  const std::string cure = fmt::format(fmt::runtime(kMacro), patient.config.listen.front().path);
  if (!milter) {
    findings.push_back({Weight::Bad, "attached", "sendmail.cf names no filter at a socket of the service", cure});
    return;
  }
  check_milter(patient, *milter, findings);
  bool is_input = false;
  for (const std::string_view name : split(filters, ',')) is_input = is_input || trim(name) == milter->name;
  if (!is_input)
    findings.push_back({Weight::Bad, "attached", "filter " + milter->name + " is defined, but not in InputMailFilters", cure});
  if (uses_fact(patient.program, "auth.") && authenticates.empty())
    findings.push_back({Weight::Warn, "facts", "the policy asks auth.*, but Sendmail offers no AUTH: it is never there",
                        "define(`confAUTH_MECHANISMS', `PLAIN LOGIN')dnl in sendmail.mc"});
  if (uses_fact(patient.program, "tls.") && certificate.empty())
    findings.push_back({Weight::Warn, "facts", "the policy asks tls.*, but Sendmail has no certificate: it is never there",
                        "define(`confSERVER_CERT', `/etc/mail/tls/cert.pem')dnl in sendmail.mc"});
  if (uses_fact(patient.program, "rcpt.exists"))
    findings.push_back({Weight::Note, "facts", "rcpt.exists: Sendmail tells of unknown local users only", "see MTA notes"});
}

}  // namespace sluice::app
