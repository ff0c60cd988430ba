#include "app/history_entry.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "app/control_arguments.h"
#include "base/text.h"

namespace sluice::app {
namespace {

using engine::DecisionRecord;
using engine::RuleTrace;
using nlohmann::ordered_json;

std::string cut(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  text.resize(most);
  return text + "...";
}

std::string joined(const std::vector<std::string>& list) {
  std::string text;
  for (const std::string& item : list) text += (text.empty() ? "" : ",") + item;
  return text;
}

std::string would_text(const DecisionRecord& record) {
  std::string text;
  for (const engine::Would& would : record.would)
    text += (text.empty() ? "" : ",") + would.rule + ":" + std::to_string(would.code) +
            (would.status.empty() ? "" : ":" + would.status);
  return text;
}

// {"v":[[name,value],…],"r":[[result,kind,rule,stage,note,[index of a value,…]],…]}
std::string pack(const std::vector<RuleTrace>& trace, const Redaction& redaction, bool all) {
  ordered_json values = ordered_json::array(), rules = ordered_json::array();
  std::map<std::pair<std::string, std::string>, std::size_t> known;
  for (const RuleTrace& rule : trace) {
    if (!all && rule.result == 'F' && rule.note.empty()) continue;
    ordered_json seen = ordered_json::array();
    for (const auto& [name, value] : rule.values) {
      const auto [place, is_new] = known.try_emplace({name, value}, known.size());
      if (is_new)
        values.push_back({name, cut(redaction.value(name, value), kMaxTraceValue)});
      seen.push_back(place->second);
    }
    rules.push_back({std::string(1, rule.result), rule.kind, rule.rule,
                     std::string(mail::stage_name(rule.stage)), redaction.addresses(rule.note),
                     std::move(seen)});
  }
  return dump({{"v", std::move(values)}, {"r", std::move(rules)}});
}

std::string text_at(const ordered_json& row, std::size_t i) {
  return i < row.size() && row[i].is_string() ? row[i].get<std::string>() : std::string();
}

RuleTrace unpack_rule(const ordered_json& row, const ordered_json& values) {
  RuleTrace rule;
  const std::string result = text_at(row, 0);
  rule.result = result.empty() ? '-' : result[0];
  rule.kind = text_at(row, 1);
  rule.rule = text_at(row, 2);
  rule.stage = mail::parse_stage(text_at(row, 3)).value_or(mail::Stage::Connect);
  rule.note = text_at(row, 4);
  if (row.size() < 6 || !row[5].is_array()) return rule;
  for (const auto& index : row[5]) {
    if (!index.is_number_unsigned() || index.get<std::size_t>() >= values.size()) continue;
    const auto& value = values[index.get<std::size_t>()];
    if (value.is_array()) rule.values.emplace_back(text_at(value, 0), text_at(value, 1));
  }
  return rule;
}

struct Field {
  const char* name;
  std::string HistoryEntry::*text;
};
constexpr Field kTexts[] = {
    {"rule", &HistoryEntry::rule},       {"rev", &HistoryEntry::rev},
    {"policy", &HistoryEntry::policy},   {"client", &HistoryEntry::client},
    {"ptr", &HistoryEntry::ptr},         {"helo", &HistoryEntry::helo},
    {"from", &HistoryEntry::from},       {"to", &HistoryEntry::to},
    {"auth", &HistoryEntry::auth},       {"exempt", &HistoryEntry::exempt},
    {"unknown", &HistoryEntry::unknown}, {"would", &HistoryEntry::would},
    {"marks", &HistoryEntry::marks},     {"log", &HistoryEntry::log},
    {"msg", &HistoryEntry::text}};

ordered_json trace_json(const std::vector<RuleTrace>& trace) {
  ordered_json list = ordered_json::array();
  for (const RuleTrace& rule : trace) {
    ordered_json values = ordered_json::object();
    for (const auto& [name, value] : rule.values) values[name] = value;
    list.push_back({{"rule", rule.rule},
                    {"kind", rule.kind},
                    {"stage", mail::stage_name(rule.stage)},
                    {"result", std::string(1, rule.result)},
                    {"note", rule.note},
                    {"values", std::move(values)}});
  }
  return list;
}

}  // namespace

std::string pack_trace(const std::vector<RuleTrace>& trace, const Redaction& redaction) {
  if (trace.empty()) return {};
  std::string packed = pack(trace, redaction, true);
  if (packed.size() > kMaxTraceText) packed = pack(trace, redaction, false);
  if (packed.size() > kMaxTraceText && trace.size() > 1) {
    // The end of a trace is where the verdict fell.
    const auto half = static_cast<std::ptrdiff_t>(trace.size() / 2);
    return pack_trace(std::vector<RuleTrace>(trace.begin() + half, trace.end()), redaction);
  }
  return packed.size() > kMaxTraceText ? std::string() : packed;
}

std::vector<RuleTrace> unpack_trace(const std::string& packed) {
  std::vector<RuleTrace> trace;
  const ordered_json json = ordered_json::parse(packed, nullptr, false);
  if (!json.is_object() || !json.contains("r") || !json["r"].is_array()) return trace;
  const ordered_json values = json.value("v", ordered_json::array());
  for (const auto& row : json["r"]) {
    if (row.is_array()) trace.push_back(unpack_rule(row, values));
  }
  return trace;
}

HistoryEntry make_history_entry(const DecisionRecord& record, const Redaction& redaction) {
  return make_history_entry(DecisionRecord(record), redaction);
}

HistoryEntry make_history_entry(DecisionRecord&& r, const Redaction& redaction) {
  // What is not redacted is not copied either.
  const auto addresses = [&redaction](std::string& text) {
    return cut(redaction.is_on() ? redaction.addresses(text) : std::move(text), kMaxHistoryText);
  };
  HistoryEntry e;
  e.at = r.at;
  e.sid = std::move(r.sid);
  e.qid = cut(std::move(r.qid), kMaxHistoryText);
  e.id = std::move(r.id);
  e.stage = r.stage;
  e.action = r.verdict.action;
  if (!r.verdict.reply.empty()) {
    e.code = r.verdict.reply.code();
    e.status = r.verdict.reply.status().to_string();
    e.text = cut(redaction.addresses(r.verdict.reply.text()), kMaxHistoryText);
  }
  e.rule = std::move(r.rule);
  e.rev = std::move(r.rev);
  e.policy = std::move(r.policy);
  e.client = std::move(r.client);
  e.ptr = cut(std::move(r.ptr), kMaxHistoryText);
  e.helo = addresses(r.helo);
  e.from = addresses(r.from);
  e.to = addresses(r.to);
  e.auth = cut(redaction.login(r.auth), kMaxHistoryText);
  e.size = r.size;
  e.score = r.score;
  e.duration_us = r.duration_us;
  e.store_us = r.store_us;
  e.dns_us = r.dns_us;
  e.degraded = r.degraded;
  e.exempt = cut(joined(r.exempt), kMaxHistoryText);
  e.unknown = cut(joined(r.unknown), kMaxHistoryText);
  e.would = cut(would_text(r), kMaxHistoryText);
  e.marks = cut(joined(r.marks), kMaxHistoryText);
  e.log = cut(redaction.addresses(joined(r.log)), kMaxHistoryText);
  e.trace = pack_trace(r.trace, redaction);
  return e;
}

ordered_json to_json(const HistoryEntry& e, bool with_trace) {
  ordered_json json{{"key", std::to_string(e.key)}, {"at", render_datetime(e.at)}};
  const auto add = [&json](const char* name, const std::string& text) {
    if (!text.empty()) json[name] = text;
  };
  add("sid", e.sid);
  add("qid", e.qid);
  add("id", e.id);
  json["stage"] = mail::stage_name(e.stage);
  json["act"] = mail::action_name(e.action);
  if (e.code != 0) json["code"] = e.code;
  add("ecode", e.status);
  for (const Field& field : kTexts) add(field.name, e.*field.text);
  if (e.size >= 0) json["size"] = e.size;
  if (e.score != 0) json["score"] = e.score;
  json["dur_us"] = e.duration_us;
  json["store_us"] = e.store_us;
  json["dns_us"] = e.dns_us;
  if (e.degraded) json["degraded"] = 1;
  if (with_trace) json["trace"] = trace_json(unpack_trace(e.trace));
  return json;
}

}  // namespace sluice::app
