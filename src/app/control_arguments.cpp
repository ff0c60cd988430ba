#include "app/control_arguments.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "app/service.h"

namespace sluice::app {

std::string text_of(const nlohmann::json& arguments, const char* name) {
  return arguments.is_object() ? arguments.value(name, std::string()) : std::string();
}

std::optional<std::int64_t> number(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string dump(const nlohmann::ordered_json& value, int indent) {
  return value.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

ControlReply refusal(int exit, const std::string& what) {
  return {exit, what + "\n", dump({{"error", what}})};
}

ControlReply usage(const std::string& what) { return refusal(kUsage, "sluice: " + what); }

}  // namespace sluice::app
