// why, history and top: the decisions of the last days, for the control socket and the page.
#pragma once
#include <nlohmann/json_fwd.hpp>

#include "app/control.h"
#include "app/history.h"
#include "policy/program.h"

namespace sluice::app {

struct HistoryPlaces {
  History& history;
  policy::ProgramPtr program;  // tells limits from other rules
  TimePoint now;
};

// {"what": an id, a queue id, a session or an address}, or {"key": of a decision}
ControlReply why_command(const HistoryPlaces& places, const nlohmann::json& arguments);
// {"since","until","rule","code","stage","from","to","client","text","limit","all","after"}
ControlReply history_command(const HistoryPlaces& places, const nlohmann::json& arguments);
// {"by": rule, client, from, to, code or limit; "since", "limit"}
ControlReply top_command(const HistoryPlaces& places, const nlohmann::json& arguments);

// {"what": act, code, rule, stage or would; "hours": 1 to 168}: how many in each step of time, for plots
ControlReply series_command(const HistoryPlaces& places, const nlohmann::json& arguments);

// Texts for people; every value is escaped.
std::string render_trace(const std::vector<engine::RuleTrace>& trace);
std::string render_why(const HistoryEntry& entry, const std::vector<HistoryEntry>& session);
std::string render_table(const std::vector<HistoryEntry>& entries, bool with_header);

}  // namespace sluice::app
