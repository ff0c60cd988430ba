// Loads and compiles the policy of a service or of files named on the command line: one way for
// run, check, reload, test and explain.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "app/config.h"
#include "policy/program.h"

namespace sluice::policy {
struct PolicySource;
}

namespace sluice::app {

// `program` is null when there are errors; `diagnostics` holds all of them.
struct LoadedPolicy {
  policy::ProgramPtr program;
  Diagnostics diagnostics;
  std::size_t rules = 0;
  std::shared_ptr<const policy::PolicySource> source;  // what was compiled
};

// What compiling needs to know of the service. Lists are shared by content with what the same pool compiled before, so a
// reload holds no second copy of them.
policy::CompileOptions compile_options(const ServiceConfig& config);

LoadedPolicy load_program(const std::vector<std::string>& paths, const policy::CompileOptions& options);
LoadedPolicy load_program(const ServiceConfig& config, std::shared_ptr<policy::ListPool> pool = nullptr);

// Compiles what was read before: the files of lists and tables are read again, those of the policy are not.
LoadedPolicy compile_again(const ServiceConfig& config, std::shared_ptr<const policy::PolicySource> source,
                           std::shared_ptr<policy::ListPool> pool);

// A warning (W108) for each fact that a rule names and that this service cannot answer: such a rule
// seldom acts, and nothing else would say so.
void warn_of_unanswered_facts(const ServiceConfig& config, LoadedPolicy& loaded);

// "mx.yaml: 19 rules, 17 errors, 1 warning"
std::string summary(const std::string& name, const LoadedPolicy& policy);

}  // namespace sluice::app
