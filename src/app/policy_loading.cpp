#include "app/policy_loading.h"

#include "facts/fact.h"
#include "policy/policy_source.h"

namespace sluice::app {

LoadedPolicy load_program(const std::vector<std::string>& paths,
                          const std::vector<policy::FactSignature>& service_facts,
                          bool fold_local_part) {
  LoadedPolicy loaded;
  const policy::PolicySource source = policy::load_policy(paths, loaded.diagnostics);
  loaded.rules = source.rules.size();
  policy::CompileOptions options;
  options.service_facts = service_facts;
  options.fold_local_part = fold_local_part;
  // Compiled even after syntax errors: all mistakes are told at once.
  loaded.program =
      policy::compile(source, facts::built_in_vocabulary(), options, loaded.diagnostics);
  if (!loaded.diagnostics.ok()) loaded.program = nullptr;
  return loaded;
}

LoadedPolicy load_program(const ServiceConfig& config) {
  return load_program(config.policies, config.facts, config.fold_local_part);
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
