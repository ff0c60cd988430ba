#include <nlohmann/json.hpp>
#include <ostream>

#include "app/commands.h"
#include "app/config.h"
#include "app/control.h"
#include "app/service.h"

namespace sluice::app {

int service_command(const ServiceOptions& options, std::ostream& out, std::ostream& err) {
  std::string control = options.control;
  if (control.empty()) {
    Diagnostics diagnostics;
    const ServiceConfig config =
        load_config(options.config.empty() ? kDefaultConfig : options.config, diagnostics);
    if (!diagnostics.ok()) {
      err << diagnostics.render();
      return kConfig;
    }
    control = config.control;
  }
  nlohmann::json arguments = nlohmann::json::object();
  for (const auto& [name, value] : options.arguments) arguments[name] = value;
  const auto reply = ask_service(control, options.command, arguments);
  if (!reply) {
    err << "sluice: " << reply.error().what << "\n";
    return kUnavailable;
  }
  if (options.json) {
    out << nlohmann::ordered_json::parse(reply->json).dump(2) << "\n";
  } else {
    (reply->exit == kOk ? out : err) << reply->text;
  }
  return reply->exit;
}

}  // namespace sluice::app
