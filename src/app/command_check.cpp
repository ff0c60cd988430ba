#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>

#include "app/commands.h"
#include "app/config.h"
#include "app/control_arguments.h"
#include "app/policy_loading.h"
#include "app/service.h"
#include "backends/state_examination.h"
#include "facts/geo_database.h"
#include "policy/show.h"

namespace sluice::app {
namespace {

using nlohmann::ordered_json;

ordered_json to_json(const Diagnostics& diagnostics) {
  ordered_json list = ordered_json::array();
  for (const Diagnostic& d : diagnostics.all())
    list.push_back({{"severity", d.severity == Severity::Error ? "error" : "warning"},
                    {"code", d.code},
                    {"message", d.message},
                    {"file", d.span.file ? d.span.file->name() : ""},
                    {"line", d.span.line},
                    {"column", d.span.column},
                    {"length", d.span.length}});
  return list;
}

// What only a start would find out: files beside the policy that it cannot do without.
void check_files(const ServiceConfig& config, Diagnostics& diagnostics) {
  const auto complain = [&](const std::string& what) {
    diagnostics.error("E105", {}, config.file + ": " + what);
  };
  for (const auto& [key, path] : {std::pair{"geoip.country", config.geoip_country},
                                  std::pair{"geoip.asn", config.geoip_asn}})
    if (const auto database = facts::GeoDatabase::open(path); !database)
      complain(std::string(key) + ": " + database.error().what);
  const auto folder = std::filesystem::path(config.log_to).parent_path();
  std::error_code unseen;  // what may not be looked at is no folder to write in
  if (!folder.empty() && !std::filesystem::is_directory(folder, unseen))
    complain("log.to: " + folder.string() + " is no folder");
  if (config.store == "redis") return;
  if (const auto sound = backends::examine_state(config.state); !sound)
    complain("state: " + sound.error().what);
}

// The last part of the first path: what the summary line names.
std::string name_of(const std::vector<std::string>& paths) {
  const std::string& path = paths.front();
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

int check_command(const CheckOptions& options, std::ostream& out, std::ostream& err) {
  Diagnostics config_diagnostics;
  std::vector<std::string> paths = options.policies;
  LoadedPolicy loaded;
  if (paths.empty()) {
    const ServiceConfig config = load_config(
        options.config.empty() ? kDefaultConfig : options.config, config_diagnostics);
    paths = config.policies;
    if (!paths.empty()) loaded = load_program(paths, compile_options(config));
    warn_of_unanswered_facts(config, loaded);
    if (config_diagnostics.ok()) check_files(config, config_diagnostics);
  } else {
    loaded = load_program(paths, {});
  }
  loaded.diagnostics.append(config_diagnostics);
  const bool ok = loaded.diagnostics.ok();
  Diagnostics again;
  const std::string shown =
      options.show && ok ? policy::render_source(policy::load_policy(paths, again)) : std::string();
  if (options.json) {
    ordered_json answer = {
        {"ok", ok}, {"rules", loaded.rules}, {"diagnostics", to_json(loaded.diagnostics)}};
    if (options.show && ok) answer["policy"] = shown;
    out << dump(answer, 2) << "\n";
    return ok ? kOk : kConfig;
  }
  if (options.show && ok) {
    out << shown;
    return kOk;
  }
  err << loaded.diagnostics.render();
  if (!paths.empty()) (ok ? out : err) << summary(name_of(paths), loaded) << "\n";
  return ok ? kOk : kConfig;
}

}  // namespace sluice::app
