#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <ostream>

#include "app/commands.h"
#include "app/service.h"
#include "mail/reply_code.h"

namespace sluice::app {
namespace {

using mail::ReplyCode;
using nlohmann::ordered_json;

std::string enhanced(const ReplyCode& code) {
  return code.by_policy ? code.enhanced.to_string() : "";
}
std::string rfc(const ReplyCode& code) {
  return code.by_policy ? fmt::format("{} {}", code.rfc_code, code.rfc_enhanced.to_string()) : "";
}

ordered_json to_json(const ReplyCode& code) {
  return {{"code", code.code},          {"enhanced", enhanced(code)}, {"text", code.text},
          {"cause", code.cause},        {"stages", code.stages},      {"rfc", rfc(code)},
          {"by_policy", code.by_policy}};
}

void print_one(const ReplyCode& code, std::ostream& out) {
  out << fmt::format("{} {}\n  text    {}\n", code.code, enhanced(code), code.text);
  if (!code.by_policy) {
    out << fmt::format("  said by an MTA or a client, a policy cannot give it\n  meets   {}\n",
                       code.cause);
    return;
  }
  out << fmt::format("  cause   {}\n  stages  {}\n  rfc     {}  (with `reply_codes: rfc`)\n",
                     code.cause, code.stages, rfc(code));
}

}  // namespace

int codes_command(const CodesOptions& options, std::ostream& out, std::ostream& err) {
  ordered_json list = ordered_json::array();
  bool found = false;
  if (options.code.empty() && !options.json)
    out << fmt::format("{:<5} {:<8} {:<15} {:<12} {}\n", "CODE", "ENHANCED", "STAGES", "RFC",
                       "TEXT");
  for (const ReplyCode& code : mail::reply_codes()) {
    if (!options.code.empty() && options.code != std::to_string(code.code)) continue;
    found = true;
    if (options.json) {
      list.push_back(to_json(code));
    } else if (options.code.empty()) {
      out << fmt::format("{:<5} {:<8} {:<15} {:<12} {}\n", code.code, enhanced(code),
                         code.by_policy ? code.stages : "(MTA only)", rfc(code), code.text);
    } else {
      print_one(code, out);
    }
  }
  if (!found) {
    err << "sluice: " << options.code
        << " is not a reply code of the table (`sluice codes` lists them)\n";
    return kUsage;
  }
  if (options.json) out << list.dump(2) << "\n";
  return kOk;
}

}  // namespace sluice::app
