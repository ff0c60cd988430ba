#include "app/decision_log.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "app/logging.h"
#include "base/log_value.h"
#include "base/text.h"

namespace sluice::app {
namespace {

using engine::DecisionRecord;

constexpr std::size_t kUsualLine = 512;

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

// `own` holds what is not in the record as a text.
struct Field {
  const char* name;
  std::string_view (*text)(const DecisionRecord&, std::string& own);
  bool is_number = false;
};

// The fields in their order: the only place that names them.
const std::vector<Field>& fields() {
  using R = const DecisionRecord&;
  using S = std::string&;
  using V = std::string_view;
  static const std::vector<Field> all = {
      {"sid", [](R r, S) -> V { return r.sid; }},
      {"qid", [](R r, S) -> V { return r.qid; }},
      {"id", [](R r, S) -> V { return r.id; }},
      {"stage", [](R r, S) -> V { return mail::stage_name(r.stage); }},
      {"act", [](R r, S) -> V { return mail::action_name(r.verdict.action); }},
      {"code", [](R r, S own) -> V { return own = number(r.verdict.reply.code()); }, true},
      {"ecode",
       [](R r, S own) -> V {
         return r.verdict.reply.empty() ? V() : own = r.verdict.reply.status().to_string();
       }},
      {"rule", [](R r, S) -> V { return r.rule; }},
      {"rev", [](R r, S) -> V { return r.rev; }},
      {"mode", [](R r, S) -> V { return r.rule.empty() ? V() : V("enforce"); }},
      {"weak", [](R r, S) -> V { return r.weak ? "1" : ""; }, true},
      {"policy", [](R r, S) -> V { return r.policy; }},
      {"client", [](R r, S) -> V { return r.client; }},
      {"ptr", [](R r, S) -> V { return r.ptr; }},
      {"helo", [](R r, S) -> V { return r.helo; }},
      {"from", [](R r, S) -> V { return r.from; }},
      {"to", [](R r, S) -> V { return r.to; }},
      {"auth", [](R r, S) -> V { return r.auth; }},
      {"size", [](R r, S own) -> V { return r.size < 0 ? V() : own = std::to_string(r.size); }, true},
      {"score", [](R r, S own) -> V { return r.score == 0 ? V() : own = render_number(r.score); },
       true},
      {"dur_us", [](R r, S own) -> V { return own = std::to_string(r.duration_us); }, true},
      {"store_us", [](R r, S own) -> V { return own = number(r.store_us); }, true},
      {"dns_us", [](R r, S own) -> V { return own = number(r.dns_us); }, true},
      {"degraded", [](R r, S) -> V { return r.degraded ? "1" : ""; }, true},
      {"exempt", [](R r, S own) -> V { return own = join(r.exempt); }},
      {"unknown", [](R r, S own) -> V { return own = join(r.unknown); }},
      {"would", [](R r, S own) -> V { return own = would(r); }},
      {"marks", [](R r, S own) -> V { return own = join(r.marks); }},
      {"log", [](R r, S own) -> V { return own = join(r.log); }},
      {"msg", [](R r, S own) -> V { return own = r.verdict.reply.text(); }},
  };
  return all;
}

}  // namespace

bool is_worth_a_line(const DecisionRecord& r) {
  return r.verdict.action != mail::Action::Continue || r.stage == mail::Stage::End ||
         !r.would.empty() || !r.log.empty() || !r.unknown.empty() || !r.exempt.empty();
}

std::string logfmt_line(const DecisionRecord& record) {
  std::string line, own;
  line.reserve(kUsualLine);
  line += "ev=decision";
  for (const Field& field : fields()) {
    const std::string_view text = field.text(record, own);
    if (text.empty()) continue;
    line.append(" ").append(field.name).push_back('=');
    append_log_value(line, text);
  }
  return line;
}

std::string json_line(const DecisionRecord& record) {
  nlohmann::ordered_json line;
  std::string own;
  line["ev"] = "decision";
  line["at"] = render_datetime(record.at);
  for (const Field& field : fields()) {
    const std::string_view text = field.text(record, own);
    if (text.empty()) {
      line[field.name] = nullptr;
    } else if (field.is_number) {
      line[field.name] = std::stod(std::string(text));
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
