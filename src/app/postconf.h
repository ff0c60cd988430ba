// Postfix's configuration as Postfix reads it, by postconf(1): defaults, expansion and master.cf are
// its business. The program is run without a shell; the service itself never runs anything.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace sluice::app {

// One inet service of smtpd in master.cf.
struct SmtpdService {
  std::string name;       // "25", "127.0.0.1:587", "submission"
  bool is_chrooted = false;
  std::map<std::string, std::string> overrides;  // -o name=value
};

class Postconf {
 public:
  // folder: config_directory. Error: postconf is not there, or does not like the configuration.
  static Result<Postconf> read(const std::string& folder);
  // Value of a parameter; empty when Postfix does not know it.
  std::string of(const std::string& name) const;
  // As a service sees it.
  std::string of(const SmtpdService& service, const std::string& name) const;
  bool knows(const std::string& name) const { return parameters_.count(name) > 0; }
  const std::vector<SmtpdService>& services() const { return services_; }

 private:
  std::map<std::string, std::string> parameters_;
  std::vector<SmtpdService> services_;
};

// "30s", "5m", "1h" and bare seconds as Postfix writes times; 0: none of these.
Duration parse_postfix_time(std::string_view text);

// An entry of smtpd_milters: "unix:sluice/milter.sock", or "{ inet:127.0.0.1:7357, command_timeout = 10s }".
struct MilterEntry {
  std::string where;
  std::map<std::string, std::string> options;
};
std::vector<MilterEntry> parse_milters(std::string_view text);

}  // namespace sluice::app
