// HistoryEntry: one decision as the history keeps it, made from its DecisionRecord: texts joined
// and cut, addresses redacted, the trace packed.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "app/redaction.h"
#include "engine/decision.h"

namespace sluice::app {

inline constexpr std::size_t kMaxHistoryText = 512;         // octets of one field
inline constexpr std::size_t kMaxTraceText = 32 * 1024;     // octets of one packed trace
inline constexpr std::size_t kMaxTraceValue = 128;          // octets of one value in it

struct HistoryEntry {
  std::int64_t key = 0;  // in the file; larger is later
  TimePoint at{};
  std::string sid, qid, id;
  mail::Stage stage = mail::Stage::Connect;
  mail::Action action = mail::Action::Continue;
  int code = 0;
  std::string status, rule, rev, policy;
  std::string client, ptr, helo, from, to, auth;
  std::int64_t size = -1;
  double score = 0;
  std::int64_t duration_us = 0, store_us = 0, dns_us = 0;
  bool degraded = false;
  std::string exempt, unknown, would, marks, log, text;  // several: joined by commas
  std::string trace;                                     // packed; empty: none was kept

  bool is_refusal() const { return action != mail::Action::Continue; }
};

// Takes the record's texts.
HistoryEntry make_history_entry(engine::DecisionRecord&& record, const Redaction& redaction);
HistoryEntry make_history_entry(const engine::DecisionRecord& record, const Redaction& redaction);

// Values that several rules saw stand once. A trace that is too long loses rules that did not
// match first.
std::string pack_trace(const std::vector<engine::RuleTrace>& trace, const Redaction& redaction);
// Whatever the text is: what cannot be read is left out.
std::vector<engine::RuleTrace> unpack_trace(const std::string& packed);

// With the names of the decision log, empty fields left out; `trace` as a list when asked for.
nlohmann::ordered_json to_json(const HistoryEntry& entry, bool with_trace);

}  // namespace sluice::app
