// Postfix: is it told to ask the filter, can it reach the socket, does it wait long enough.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "app/doctor.h"
#include "app/postconf.h"
#include "base/text.h"

namespace sluice::app {
namespace {

using Weight = Finding::Weight;
namespace fs = std::filesystem;

struct Stand {
  const Patient& patient;
  const Postconf& postfix;
  Findings& findings;
  void add(Weight weight, const char* about, std::string what, std::string cure = {}) const {
    findings.push_back({weight, about, std::move(what), std::move(cure)});
  }
};

// An entry of smtpd_milters as Postfix resolves it for a service: a path below the queue for a
// chrooted one, and for relative ones.
std::string socket_path(const Stand& s, const SmtpdService& service, const std::string& where) {
  const std::string path = where.substr(where.find(':') + 1);
  const bool below_queue = service.is_chrooted || path.empty() || path.front() != '/';
  return below_queue ? (fs::path(s.postfix.of("queue_directory")) / fs::path(path).relative_path()).string() : path;
}

bool is_unix(const std::string& where) { return where.compare(0, 5, "unix:") == 0; }

bool same_file(const std::string& a, const std::string& b) {
  std::error_code ignored;
  return a == b || fs::equivalent(a, b, ignored);
}

// The listener of ours that an entry means; nullptr: none.
const milter::ListenSpec* ours(const Stand& s, const SmtpdService& service, const MilterEntry& entry) {
  for (const milter::ListenSpec& spec : s.patient.config.listen) {
    if (spec.kind == milter::ListenSpec::Kind::Unix && is_unix(entry.where) &&
        same_file(socket_path(s, service, entry.where), spec.path))
      return &spec;
    const std::string port = ":" + std::to_string(spec.port);
    if (spec.kind == milter::ListenSpec::Kind::Inet && entry.where.compare(0, 5, "inet:") == 0 &&
        entry.where.size() > port.size() && entry.where.substr(entry.where.size() - port.size()) == port)
      return &spec;
  }
  return nullptr;
}

// What to write into main.cf for the first listener of ours.
std::string attach_line(const Stand& s) {
  const milter::ListenSpec& spec = s.patient.config.listen.front();
  const std::string queue = s.postfix.of("queue_directory") + "/";
  std::string where = spec.to_string();
  if (spec.kind == milter::ListenSpec::Kind::Unix && spec.path.compare(0, queue.size(), queue) == 0)
    where = "unix:" + spec.path.substr(queue.size());
  return "postconf -e 'smtpd_milters = " + where + "'";
}

// A socket outside of what a chrooted service sees.
void check_chroot(const Stand& s, const SmtpdService& service, const MilterEntry& entry) {
  const std::string written = entry.where.substr(entry.where.find(':') + 1);
  for (const milter::ListenSpec& spec : s.patient.config.listen) {
    if (spec.kind != milter::ListenSpec::Kind::Unix || spec.path != written) continue;
    s.add(Weight::Bad, "chroot",
          fmt::format("smtpd at {} runs in {} and looks for {} there", service.name, s.postfix.of("queue_directory"), written),
          fmt::format("listen: unix:{0}/sluice/milter.sock in sluice.yaml, unix:sluice/milter.sock in main.cf",
                      s.postfix.of("queue_directory")));
    return;
  }
}

void check_timeouts(const Stand& s, const SmtpdService& service, const MilterEntry& entry) {
  const auto setting = [&](const char* option, const char* parameter) {
    const auto found = entry.options.find(option);
    return found != entry.options.end() ? found->second : s.postfix.of(service, parameter);
  };
  const Duration deadline = s.patient.config.deadline;
  for (const auto& [option, parameter] : {std::pair{"command_timeout", "milter_command_timeout"},
                                          std::pair{"content_timeout", "milter_content_timeout"}}) {
    const Duration waits = parse_postfix_time(setting(option, parameter));
    if (waits > Duration{0} && waits <= deadline)
      s.add(Weight::Bad, "timeouts",
            fmt::format("{} is {}, not longer than the filter's deadline of {}: slow answers are lost", parameter,
                        render_duration(waits), render_duration(deadline)),
            fmt::format("postconf -e '{} = {}'", parameter, option[2] == 'm' ? "30s" : "300s"));
  }
  const std::string action = setting("default_action", "milter_default_action");
  if (action == "accept")
    s.add(Weight::Note, "fallback", "milter_default_action = accept: mail passes unfiltered while the filter is away",
          "postconf -e 'milter_default_action = tempfail'");
  if (action == "reject" || action == "quarantine" || action == "shutdown")
    s.add(Weight::Warn, "fallback", "milter_default_action = " + action + ": mail is hurt while the filter is away",
          "postconf -e 'milter_default_action = tempfail'");
  const std::string protocol = setting("protocol", "milter_protocol");
  if (!protocol.empty() && protocol.size() == 1 && protocol < "6")
    s.add(Weight::Bad, "protocol", "milter_protocol = " + protocol + ": steps and macros are missing",
          "postconf -e 'milter_protocol = 6'");
}

void check_reach(const Stand& s, const SmtpdService& service, const MilterEntry& entry) {
  if (!is_unix(entry.where)) return;
  const std::string user = s.postfix.of("mail_owner").empty() ? "postfix" : s.postfix.of("mail_owner");
  const std::string path = socket_path(s, service, entry.where);
  const std::string why = why_unreachable(path, user);
  if (why.empty()) {
    s.add(Weight::Good, "socket", user + " reaches " + path);
  } else {
    s.add(Weight::Bad, "socket", why,
          fmt::format("install -d -o sluice -g {} -m 2750 {}; systemctl restart sluice", user,
                      fs::path(path).parent_path().string()));
  }
}

void check_service_entry(const Stand& s, const SmtpdService& service) {
  const auto entries = parse_milters(s.postfix.of(service, "smtpd_milters"));
  const MilterEntry* entry = nullptr;
  for (const MilterEntry& one : entries)
    if (ours(s, service, one) != nullptr) entry = &one;
  if (s.postfix.of(service, "receive_override_options").find("no_milters") != std::string::npos) {
    s.add(Weight::Warn, "attached", "smtpd at " + service.name + " has receive_override_options = no_milters",
          "remove it from master.cf unless another service has filtered this mail");
    return;
  }
  if (entry == nullptr) {
    const std::size_t before = s.findings.size();
    for (const MilterEntry& one : entries)
      if (service.is_chrooted && is_unix(one.where)) check_chroot(s, service, one);
    if (s.findings.size() == before)
      s.add(Weight::Bad, "attached", fmt::format("smtpd at {} does not ask the filter (smtpd_milters = {})", service.name,
                                                 s.postfix.of(service, "smtpd_milters")),
            attach_line(s));
    return;
  }
  s.add(Weight::Good, "attached", fmt::format("smtpd at {} asks {}", service.name, entry->where));
  check_reach(s, service, *entry);
  check_timeouts(s, service, *entry);
}

// Facts that Postfix can only give when something is switched on.
struct Need {
  const char* fact;
  const char* parameter;
  const char* wanted;  // empty: any value
  const char* cure;
};
constexpr Need kNeeds[] = {
    {"auth.", "smtpd_sasl_auth_enable", "yes", "smtpd_sasl_auth_enable = yes"},
    {"tls.", "smtpd_tls_security_level", "", "smtpd_tls_security_level = may"},
    {"tls.cert_cn", "smtpd_tls_ask_ccert", "yes", "smtpd_tls_ask_ccert = yes"},
    {"tls.verified", "smtpd_tls_ask_ccert", "yes", "smtpd_tls_ask_ccert = yes"},
};

void check_needs(const Stand& s) {
  for (const Need& need : kNeeds) {
    if (!uses_fact(s.patient.program, need.fact)) continue;
    const auto has = [&](const SmtpdService& service) {
      const std::string value = s.postfix.of(service, need.parameter);
      return *need.wanted == '\0' ? !value.empty() && value != "none" : value == need.wanted;
    };
    const auto& services = s.postfix.services();
    if (std::none_of(services.begin(), services.end(), has))
      s.add(Weight::Warn, "facts",
            fmt::format("the policy asks {}*, but no smtpd has {}: it is never there", need.fact, need.parameter),
            fmt::format("postconf -e '{}'", need.cure));
  }
  if (uses_fact(s.patient.program, "client.connections"))
    s.add(Weight::Note, "facts", "client.connections: Postfix does not count clients of mynetworks",
          "smtpd_client_event_limit_exceptions says whom it leaves out");
}

void check_newlines(const Stand& s) {
  if (!s.postfix.knows("smtpd_forbid_bare_newline")) return;
  const std::string value = s.postfix.of("smtpd_forbid_bare_newline");
  if (value == "yes" || value == "normalize" || value == "reject" || value == "note") {
    s.add(Weight::Good, "newlines", "smtpd_forbid_bare_newline = " + value);
  } else {
    s.add(Weight::Warn, "newlines",
          "smtpd_forbid_bare_newline = " + value + ": SMTP smuggling brings mail past every filter (CVE-2023-51764)",
          "postconf -e 'smtpd_forbid_bare_newline = normalize' (before 3.9: yes)");
  }
}

}  // namespace

void check_postfix(const Patient& patient, Findings& findings) {
  const auto postfix = Postconf::read(patient.options.postfix);
  if (!postfix) {
    findings.push_back({Weight::Bad, "postfix", postfix.error().what, "postfix check; --postfix FOLDER names another configuration"});
    return;
  }
  const Stand stand{patient, *postfix, findings};
  if (postfix->services().empty())
    stand.add(Weight::Bad, "postfix", "no smtpd takes mail over the network (master.cf)", "enable the line `smtp inet … smtpd`");
  for (const SmtpdService& service : postfix->services()) check_service_entry(stand, service);
  if (postfix->of("non_smtpd_milters").empty())
    stand.add(Weight::Note, "local mail", "mail of programs on this host (sendmail command) is not filtered",
              "non_smtpd_milters = $smtpd_milters, if it should be");
  check_needs(stand);
  check_newlines(stand);
}

void check_mta(const Patient& patient, Findings& findings) {
  std::error_code ignored;
  const bool has_postfix = fs::exists(fs::path(patient.options.postfix) / "main.cf", ignored);
  const bool has_sendmail = fs::exists(patient.options.sendmail, ignored);
  if (has_postfix) check_postfix(patient, findings);
  if (has_sendmail && !has_postfix) check_sendmail(patient, findings);
  if (!has_postfix && !has_sendmail)
    findings.push_back({Weight::Bad, "mta", "neither " + patient.options.postfix + "/main.cf nor " + patient.options.sendmail + " is there",
                        "--postfix FOLDER or --sendmail FILE names the MTA's configuration"});
}

}  // namespace sluice::app
