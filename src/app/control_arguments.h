// What the commands behind the control socket share: arguments as they came from the command line
// or the page (all are texts), and answers for people and for scripts.
#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "app/control.h"

namespace sluice::app {

// The argument, or "" when it was not given.
std::string text_of(const nlohmann::json& arguments, const char* name);

// The whole text as a number.
std::optional<std::int64_t> number(const std::string& text);

// On one line; octets that are no UTF-8 become U+FFFD.
std::string dump(const nlohmann::ordered_json& value, int indent = -1);

// What is wrong, as text and as {"error":…}. `exit` is not kOk.
ControlReply refusal(int exit, const std::string& what);

// The same with kUsage, for a mistake on the command line.
ControlReply usage(const std::string& what);

}  // namespace sluice::app
