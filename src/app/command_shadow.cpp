// sluice shadow: evidence of the shadow rules, of the running service or of a decision log.
#include <charconv>
#include <nlohmann/json.hpp>
#include <ostream>

#include "app/commands.h"
#include "app/json_failure.h"
#include "app/replay_decision_log.h"
#include "app/service.h"
#include "app/shadow_evidence.h"
#include "base/text.h"

namespace sluice::app {
namespace {

std::string text_of(const DecisionFields& fields, std::string_view name) {
  const auto found = fields.find(name);
  return found != fields.end() ? found->second : std::string();
}

// What is printed of a log that may be anybody's.
std::string shown(const std::string& text) { return text.empty() ? text : log_value(text); }

// "no-rdns:550:5.7.25,gl:450:4.7.1"
std::vector<engine::Would> parse_would(std::string_view text) {
  std::vector<engine::Would> list;
  for (const std::string_view one : split(text, ',')) {
    const auto parts = split(one, ':');
    if (parts.size() < 2) continue;
    engine::Would would;
    would.rule = log_value(parts[0]);
    std::from_chars(parts[1].data(), parts[1].data() + parts[1].size(), would.code);
    if (parts.size() > 2) would.status = log_value(parts[2]);
    list.push_back(std::move(would));
  }
  return list;
}

int from_log(const ShadowOptions& options, std::ostream& out, std::ostream& err) {
  auto lines = LineReader::open(options.from);
  if (!lines) {
    err << "sluice: " << lines.error().what << "\n";
    return kNoInput;
  }
  ShadowEvidence evidence;
  DecisionReader reader(std::move(*lines));
  DecisionFields fields;
  engine::DecisionRecord record;
  std::uint64_t decisions = 0;
  while (reader.next(fields, record.at)) {
    ++decisions;
    record.policy = shown(text_of(fields, "policy"));
    record.rule = shown(text_of(fields, "rule"));
    record.client = text_of(fields, "client");
    record.from = text_of(fields, "from");
    record.to = text_of(fields, "to");
    record.would = parse_would(text_of(fields, "would"));
    evidence.decided(record);
  }
  if (decisions == 0) {
    err << "sluice: no decisions in " << options.from << "\n";
    return kNoInput;
  }
  const ControlReply reply = render_shadow(evidence.snapshot(), {});
  out << (options.json ? nlohmann::ordered_json::parse(reply.json).dump(2) + "\n" : reply.text);
  return kOk;
}

}  // namespace

int shadow_command(const ShadowOptions& options, std::ostream& out, std::ostream& err) {
  if (!options.from.empty())
    return with_json_failure(options.json, out, err,
                             [&](std::ostream& said) { return from_log(options, out, said); });
  return service_command({options.config, options.control, options.json, "shadow", {}}, out, err);
}

}  // namespace sluice::app
