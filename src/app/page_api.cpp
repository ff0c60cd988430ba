#include "app/page_api.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "app/page_files.h"
#include "app/service.h"

namespace sluice::app {
namespace {

using nlohmann::json;

constexpr const char* kShowing[] = {"status", "history", "why", "top", "series", "shadow", "near"};

unsigned http_status(int exit) {
  if (exit == kOk) return 200;
  return exit == kUsage ? 400 : exit == kNoInput ? 404 : 503;
}

AdminPage as_page(ControlReply reply) {
  return {http_status(reply.exit), "application/json", std::move(reply.json)};
}

}  // namespace

AdminPages page_with(const ControlCommands& known) {
  AdminPages all;
  const auto file = [](const char* type, std::string_view (*text)()) {
    return [type, text](const AdminArguments&) { return AdminPage{200, type, std::string(text())}; };
  };
  all["/"] = file("text/html; charset=utf-8", page_html);
  all["/page.css"] = file("text/css; charset=utf-8", page_css);
  all["/page.js"] = file("text/javascript; charset=utf-8", page_js);
  for (const char* name : kShowing)
    all[std::string("/api/") + name] = [command = known.at(name)](const AdminArguments& arguments) {
      return as_page(command(json(arguments)));
    };
  return all;
}

}  // namespace sluice::app
