// The commands of the command line, each a function of its options that returns a sysexits code.
// cli.cpp holds the table that gives them names, options and help.
#pragma once
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace sluice::app {

struct CheckOptions {
  std::string config;  // -c; empty with policies
  std::vector<std::string> policies;
  bool show = false;
  bool json = false;
};
int check_command(const CheckOptions& options, std::ostream& out, std::ostream& err);

struct CodesOptions {
  std::string code;  // one code, or all
  bool json = false;
};
int codes_command(const CodesOptions& options, std::ostream& out, std::ostream& err);

struct FactsOptions {
  std::string name;  // one fact, a prefix as `sender`, or all
  bool json = false;
  std::string docs;  // writes docs/facts/*.md there
};
int facts_command(const FactsOptions& options, std::ostream& out, std::ostream& err);

struct ExplainOptions {
  std::string config;
  std::vector<std::string> policies;
  std::string client, rdns, helo, auth, tls, from, message, at;
  std::vector<std::string> rcpt, given;
  int port = 25;
  bool json = false;
};
int explain_command(const ExplainOptions& options, std::ostream& out, std::ostream& err);

// Commands that ask the running service: the same shape for all.
struct ServiceOptions {
  std::string config;   // names the control socket
  std::string control;  // or the socket itself
  bool json = false;
  std::string command;  // "status"
  std::vector<std::pair<std::string, std::string>> arguments;
};
int service_command(const ServiceOptions& options, std::ostream& out, std::ostream& err);

// `sluice history --follow`: prints what there is, then what comes, until interrupted. JSON: one
// decision a line.
int follow_history(ServiceOptions options, std::ostream& out, std::ostream& err);

struct ShadowOptions {
  std::string config, control;  // of the service
  std::string from;             // or a decision log
  bool json = false;
};
int shadow_command(const ShadowOptions& options, std::ostream& out, std::ostream& err);

// Exit codes: 66 no mail in the sources, 78 a policy with mistakes.
struct ReplayOptions {
  std::string config;                // service configuration, policy file or folder
  std::string against;               // the same of the policy to compare with
  std::vector<std::string> sources;  // "-" is standard input
  std::string kind;                  // of the sources; empty: as found
  bool suggest = false;              // limits instead of a policy
  bool dns = false;                  // ask the DNS of today
  bool progress = false, no_progress = false;  // neither: on a terminal
  bool json = false;
};
int replay_command(const ReplayOptions& options, std::ostream& out, std::ostream& err);

// Exit codes: 75 redis did not take all of it, or the service still runs; 78 a configuration that does
// not say store: redis.
struct StateImportOptions {
  std::string config;
  std::string from;  // folder of the embedded store; empty: `state`
  bool json = false;
};
int state_import_command(const StateImportOptions& options, std::ostream& out, std::ostream& err);

int run_command_line(int argc, char** argv);

}  // namespace sluice::app
