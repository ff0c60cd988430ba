// rooms: app
// Requests on the control socket: every line is answered with one JSON object.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "app/control.h"
#include "require.h"

using namespace sluice::app;
using nlohmann::json;
using sluice::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const ControlCommands commands{{"status",
                                         [](const json& a) {
                                           return ControlReply{0, a.value("word", ""), a.dump()};
                                         }},
                                        {"bad", [](const json&) {
                                           return ControlReply{0, "\xff\x00", "{no json"};
                                         }}};
  const std::string line(reinterpret_cast<const char*>(bytes), size);
  const std::string answer = answer_control_request(commands, line);
  require(answer.find('\n') == std::string::npos, "an answer is one line");
  const json parsed = json::parse(answer, nullptr, false);
  require(parsed.is_object() && parsed.contains("exit") && parsed.contains("text"),
          "an answer has exit and text");
  return 0;
}
