#include "app/decision_log.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "app/logging.h"
#include "base/text.h"

namespace sluice::app {
namespace {

using engine::DecisionRecord;

std::string join(const std::vector<std::string>& list) {
  std::string text;
  for (const std::string& item : list) text += (text.empty() ? "" : ",") + item;
  return text;
}

std::string would(const DecisionRecord& r) {
  std::string text;
  for (const engine::Would& w : r.would)
    text += (text.empty() ? "" : ",") + w.rule + ":" + std::to_string(w.code) +
            (w.status.empty() ? "" : ":" + w.status);
  return text;
}

std::string number(std::int64_t value) {
  return value == 0 ? std::string() : std::to_string(value);
}

struct Field {
  const char* name;
  std::string (*text)(const DecisionRecord&);
  bool is_number = false;
};

// The fields in their order: the only place that names them.
const std::vector<Field>& fields() {
  using R = const DecisionRecord&;
  static const std::vector<Field> all = {
      {"sid", [](R r) { return r.sid; }},
      {"qid", [](R r) { return r.qid; }},
      {"id", [](R r) { return r.id; }},
      {"stage", [](R r) { return std::string(mail::stage_name(r.stage)); }},
      {"act", [](R r) { return std::string(mail::action_name(r.verdict.action)); }},
      {"code", [](R r) { return number(r.verdict.reply.code()); }, true},
      {"ecode",
       [](R r) {
         return r.verdict.reply.empty() ? std::string() : r.verdict.reply.status().to_string();
       }},
      {"rule", [](R r) { return r.rule; }},
      {"rev", [](R r) { return r.rev; }},
      {"mode", [](R r) { return r.rule.empty() ? std::string() : std::string("enforce"); }},
      {"weak", [](R r) { return std::string(r.weak ? "1" : ""); }, true},
      {"policy", [](R r) { return r.policy; }},
      {"client", [](R r) { return r.client; }},
      {"ptr", [](R r) { return r.ptr; }},
      {"helo", [](R r) { return r.helo; }},
      {"from", [](R r) { return r.from; }},
      {"to", [](R r) { return r.to; }},
      {"auth", [](R r) { return r.auth; }},
      {"size", [](R r) { return r.size < 0 ? std::string() : std::to_string(r.size); }, true},
      {"score", [](R r) { return r.score == 0 ? std::string() : render_number(r.score); }, true},
      {"dur_us", [](R r) { return std::to_string(r.duration_us); }, true},
      {"store_us", [](R r) { return number(r.store_us); }, true},
      {"dns_us", [](R r) { return number(r.dns_us); }, true},
      {"degraded", [](R r) { return std::string(r.degraded ? "1" : ""); }, true},
      {"exempt", [](R r) { return join(r.exempt); }},
      {"unknown", [](R r) { return join(r.unknown); }},
      {"would", would},
      {"marks", [](R r) { return join(r.marks); }},
      {"log", [](R r) { return join(r.log); }},
      {"msg", [](R r) { return r.verdict.reply.text(); }},
  };
  return all;
}

}  // namespace

bool is_worth_a_line(const DecisionRecord& r) {
  return r.verdict.action != mail::Action::Continue || r.stage == mail::Stage::End ||
         !r.would.empty() || !r.log.empty() || !r.unknown.empty() || !r.exempt.empty();
}

std::string logfmt_line(const DecisionRecord& record) {
  std::string line = "ev=decision";
  for (const Field& field : fields()) {
    const std::string text = field.text(record);
    if (!text.empty()) line.append(" ").append(field.name).append("=").append(log_value(text));
  }
  return line;
}

std::string json_line(const DecisionRecord& record) {
  nlohmann::ordered_json line;
  line["ev"] = "decision";
  line["at"] = render_datetime(record.at);
  for (const Field& field : fields()) {
    const std::string text = field.text(record);
    if (text.empty()) {
      line[field.name] = nullptr;
    } else if (field.is_number) {
      line[field.name] = std::stod(text);
    } else {
      line[field.name] = text;
    }
  }
  return line.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

void DecisionLog::decided(const DecisionRecord& record) {
  if (is_worth_a_line(record)) log_line(json_ ? json_line(record) : logfmt_line(record));
}

}  // namespace sluice::app
