// Loads and compiles the policy of a service or of files named on the command line: one way for
// run, check, reload, test and explain.
#pragma once
#include <string>
#include <vector>

#include "app/config.h"
#include "policy/program.h"

namespace sluice::app {

// `program` is null when there are errors; `diagnostics` holds all of them.
struct LoadedPolicy {
  policy::ProgramPtr program;
  Diagnostics diagnostics;
  std::size_t rules = 0;
};

LoadedPolicy load_program(const std::vector<std::string>& paths,
                          const std::vector<policy::FactSignature>& service_facts,
                          bool fold_local_part);
LoadedPolicy load_program(const ServiceConfig& config);

// "mx.yaml: 19 rules, 17 errors, 1 warning"
std::string summary(const std::string& name, const LoadedPolicy& policy);

}  // namespace sluice::app
