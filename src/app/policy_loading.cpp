#include "app/policy_loading.h"

#include <algorithm>
#include <set>
#include <string_view>

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

namespace {

void compile_source(LoadedPolicy& loaded, const policy::CompileOptions& options) {
  loaded.rules = loaded.source->rules.size();
  loaded.program =
      policy::compile(*loaded.source, facts::built_in_vocabulary(), options, loaded.diagnostics);
  if (!loaded.diagnostics.ok()) loaded.program = nullptr;
}

}  // namespace

LoadedPolicy load_program(const std::vector<std::string>& paths,
                          const policy::CompileOptions& options) {
  LoadedPolicy loaded;
  loaded.source = std::make_shared<const policy::PolicySource>(
      policy::load_policy(paths, loaded.diagnostics));
  // Compiled even after syntax errors: all mistakes are told at once.
  compile_source(loaded, options);
  return loaded;
}

LoadedPolicy load_program(const ServiceConfig& config, std::shared_ptr<policy::ListPool> pool) {
  policy::CompileOptions options = compile_options(config);
  options.pool = std::move(pool);
  return load_program(config.policies, options);
}

LoadedPolicy compile_again(const ServiceConfig& config,
                           std::shared_ptr<const policy::PolicySource> source,
                           std::shared_ptr<policy::ListPool> pool) {
  LoadedPolicy loaded;
  loaded.source = std::move(source);
  policy::CompileOptions options = compile_options(config);
  options.pool = std::move(pool);
  compile_source(loaded, options);
  return loaded;
}

namespace {

// Why this service never knows the fact; empty: it does.
std::string_view why_unanswered(const policy::UsedFact& fact, const ServiceConfig& config) {
  if (fact.origin == policy::UsedFact::Origin::Declared)
    return "this version asks nobody for facts of the site";
  struct Row {
    std::string_view start;
    bool is_configured;
    std::string_view why;
  };
  const Row rows[] = {
      {"client.country", !config.geoip_country.empty(), "`geoip.country` is not set"},
      {"client.asn", !config.geoip_asn.empty(), "`geoip.asn` is not set"},
      {"spam.", !config.spam_engine.empty(), "`scanners.spam` is not set"},
      {"virus.", !config.virus_clamd.empty(), "`scanners.virus` is not set"},
      {"sender.deliverable", config.callout, "`callout` is not set"},
      {"rcpt.deliverable", config.callout, "`callout` is not set"},
  };
  const std::string_view name = fact.signature.name;
  const auto* row = std::find_if(std::begin(rows), std::end(rows), [name](const Row& r) {
    return !r.is_configured && name.substr(0, r.start.size()) == r.start;
  });
  return row != std::end(rows) ? row->why : std::string_view();
}

}  // namespace

void warn_of_unanswered_facts(const ServiceConfig& config, LoadedPolicy& loaded) {
  if (!loaded.program) return;
  const policy::Program& program = *loaded.program;
  std::set<policy::FactIndex> told;
  for (const policy::Rule& rule : program.rules()) {
    if (rule.condition == policy::kNoExpr || rule.mode == policy::Mode::Disabled) continue;
    for (const policy::FactIndex index : program.facts_of(rule.condition)) {
      const policy::UsedFact& fact = program.facts()[index];
      const std::string_view why = why_unanswered(fact, config);
      if (why.empty() || !told.insert(index).second) continue;
      loaded.diagnostics.warning("W108", rule.origin,
                                 "`" + fact.signature.name + "` is always unknown here (" +
                                     std::string(why) + "), so `" + rule.name +
                                     "` never sees its value");
    }
  }
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
