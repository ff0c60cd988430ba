#include "mail/stage.h"

#include <algorithm>

namespace sluice::mail {
namespace {

constexpr std::array<std::string_view, kStages> kStageNames{"connect", "command", "helo",    "mail",
                                                            "rcpt",    "data",    "headers", "end"};
constexpr std::array<std::string_view, 3> kScopeNames{"connection", "message", "recipient"};

template <class Enum, std::size_t N>
std::optional<Enum> find_name(const std::array<std::string_view, N>& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

}  // namespace

std::string_view stage_name(Stage stage) { return kStageNames[static_cast<std::size_t>(stage)]; }
std::optional<Stage> parse_stage(std::string_view name) {
  return find_name<Stage>(kStageNames, name);
}

bool is_known_at(Stage fact, Stage rule) {
  if (fact == Stage::Command || rule == Stage::Command)
    return fact == rule || fact == Stage::Connect;
  return fact <= rule;
}

std::string_view scope_name(Scope scope) { return kScopeNames[static_cast<std::size_t>(scope)]; }
std::optional<Scope> parse_scope(std::string_view name) {
  return find_name<Scope>(kScopeNames, name);
}

}  // namespace sluice::mail
