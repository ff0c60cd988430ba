#include <chrono>
#include <nlohmann/json.hpp>
#include <ostream>
#include <thread>

#include "app/commands.h"
#include "app/config.h"
#include "app/control.h"
#include "app/control_arguments.h"
#include "app/service.h"

namespace sluice::app {

namespace {

constexpr std::chrono::milliseconds kFollowEvery{500};

// The control socket as the options name it; empty when the configuration has mistakes.
std::string control_of(const ServiceOptions& options, std::ostream& err) {
  if (!options.control.empty()) return options.control;
  Diagnostics diagnostics;
  const ServiceConfig config =
      load_config(options.config.empty() ? kDefaultConfig : options.config, diagnostics);
  if (!diagnostics.ok()) err << diagnostics.render();
  return diagnostics.ok() ? config.control : std::string();
}

}  // namespace

int follow_history(ServiceOptions options, std::ostream& out, std::ostream& err) {
  const std::string control = control_of(options, err);
  if (control.empty()) return kConfig;
  nlohmann::json arguments = nlohmann::json::object();
  for (const auto& [name, value] : options.arguments) arguments[name] = value;
  for (;;) {
    const auto reply = ask_service(control, "history", arguments);
    if (!reply) {
      err << "sluice: " << reply.error().what << "\n";
      return kUnavailable;
    }
    if (reply->exit != kOk) {
      err << reply->text;
      return reply->exit;
    }
    const auto data = nlohmann::ordered_json::parse(reply->json, nullptr, false);
    for (const auto& decision : data.value("decisions", nlohmann::ordered_json::array())) {
      if (options.json) out << decision.dump() << "\n";
      arguments["after"] = decision.value("key", std::string("1"));
    }
    if (!options.json) out << reply->text;
    if (!arguments.contains("after")) arguments["after"] = data.value("newest", std::string("1"));
    out.flush();
    if (!out) return kOk;
    std::this_thread::sleep_for(kFollowEvery);
  }
}

int service_command(const ServiceOptions& options, std::ostream& out, std::ostream& err) {
  const std::string control = control_of(options, err);
  if (control.empty()) return kConfig;
  nlohmann::json arguments = nlohmann::json::object();
  for (const auto& [name, value] : options.arguments) arguments[name] = value;
  const auto reply = ask_service(control, options.command, arguments);
  if (!reply) {
    const ControlReply none = refusal(kUnavailable, "sluice: " + reply.error().what);
    if (options.json) out << none.json << "\n";
    err << none.text;
    return none.exit;
  }
  if (options.json) {
    out << nlohmann::ordered_json::parse(reply->json).dump(2) << "\n";
  } else {
    (reply->exit == kOk ? out : err) << reply->text;
  }
  return reply->exit;
}

}  // namespace sluice::app
