#include "app/policy_loading.h"

#include "facts/fact.h"
#include "policy/policy_source.h"

namespace sluice::app {

policy::CompileOptions compile_options(const ServiceConfig& config) {
  policy::CompileOptions options;
  options.service_facts = config.facts;
  options.fold_local_part = config.fold_local_part;
  options.delimiters = config.delimiter;
  return options;
}

LoadedPolicy load_program(const std::vector<std::string>& paths,
                          const policy::CompileOptions& options) {
  LoadedPolicy loaded;
  const policy::PolicySource source = policy::load_policy(paths, loaded.diagnostics);
  loaded.rules = source.rules.size();
  // Compiled even after syntax errors: all mistakes are told at once.
  loaded.program =
      policy::compile(source, facts::built_in_vocabulary(), options, loaded.diagnostics);
  if (!loaded.diagnostics.ok()) loaded.program = nullptr;
  return loaded;
}

LoadedPolicy load_program(const ServiceConfig& config, std::shared_ptr<policy::ListPool> pool) {
  policy::CompileOptions options = compile_options(config);
  options.pool = std::move(pool);
  return load_program(config.policies, options);
}

namespace {

std::string counted(std::size_t n, const char* what) {
  return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
}

}  // namespace

std::string summary(const std::string& name, const LoadedPolicy& policy) {
  return name + ": " + counted(policy.rules, "rule") + ", " +
         counted(policy.diagnostics.errors(), "error") + ", " +
         counted(policy.diagnostics.warnings(), "warning");
}

}  // namespace sluice::app
