// What a step expected against what the client saw.
#include <algorithm>

#include "app/test_message.h"
#include "app/test_player.h"
#include "base/text.h"

namespace sluice::app {

namespace {

bool contains_folded(std::string_view text, std::string_view part) {
  return fold(text).find(fold(part)) != std::string::npos;
}

bool has_header(const StepOutcome& got, const std::string& name, const std::string* value) {
  return std::any_of(got.headers.begin(), got.headers.end(), [&](const mail::Header& header) {
    return equal_folded(header.name, name) &&
           (value == nullptr || plain_value(header.value) == *value);
  });
}

std::string check_would(const Expectation& expected, const StepOutcome& got, bool shadow) {
  static const std::vector<engine::Would> nothing;
  const auto& would = got.record ? got.record->would : nothing;
  if (!expected.would) return shadow && !would.empty() ? "no shadow rule should have answered" : "";
  const bool found = std::any_of(would.begin(), would.end(), [&](const engine::Would& one) {
    return one.code == *expected.would && (expected.rule.empty() || one.rule == expected.rule);
  });
  return found ? "" : "would=" + std::to_string(*expected.would);
}

std::string check_rule(const Expectation& expected, const StepOutcome& got) {
  if (expected.rule.empty() || expected.would) return {};
  return got.record && got.record->rule == expected.rule ? "" : "rule=" + expected.rule;
}

std::string check_message(const Expectation& expected, const StepOutcome& got) {
  if (expected.quarantine != got.quarantine) return expected.quarantine ? "quarantine" : "not held";
  if (expected.discard != got.discard) return expected.discard ? "discard" : "not discarded";
  for (const auto& [name, value] : expected.headers) {
    if (!has_header(got, name, &value)) return "header=\"" + name + ": " + value + "\"";
  }
  for (const std::string& name : expected.absent_headers) {
    if (has_header(got, name, nullptr)) return "no-header=\"" + name + "\"";
  }
  return {};
}

}  // namespace

std::string mismatch(const Expectation& expected, const StepOutcome& got, bool shadow) {
  if (expected.code != got.code) return "code " + std::to_string(expected.code);
  if (!expected.status.empty() && expected.status != got.status) return "status " + expected.status;
  if (std::string wrong = check_rule(expected, got); !wrong.empty()) return wrong;
  for (const std::string& text : expected.texts) {
    if (!contains_folded(got.text, text)) return "text=\"" + text + "\"";
  }
  if (std::string wrong = check_message(expected, got); !wrong.empty()) return wrong;
  if (std::string wrong = check_would(expected, got, shadow); !wrong.empty()) return wrong;
  if (expected.delay && *expected.delay != got.delay)
    return "delay=" + render_duration(*expected.delay);
  return {};
}

std::string describe(const StepOutcome& outcome, bool shadow) {
  std::string text = std::to_string(outcome.code);
  if (!outcome.status.empty()) text += " " + outcome.status;
  if (outcome.record && !outcome.record->rule.empty()) text += " rule=" + outcome.record->rule;
  if (!outcome.text.empty()) text += " text=\"" + outcome.text + "\"";
  if (outcome.quarantine) text += " quarantine";
  if (outcome.discard) text += " discard";
  if (outcome.delay > Duration{0}) text += " delay=" + render_duration(outcome.delay);
  if (outcome.record && shadow) {
    for (const engine::Would& would : outcome.record->would)
      text += " would=" + std::to_string(would.code) + " (" + would.rule + ")";
  }
  return text;
}

}  // namespace sluice::app
