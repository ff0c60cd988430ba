#include "app/replay_decision_log.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "base/hex.h"
#include "base/text.h"
#include "mail/address.h"

namespace sluice::app {
namespace {

constexpr std::size_t kMaxFields = 64;

// A value in quotes as log_value() writes it: \" \\ and \xNN. Takes the closing quote.
std::string take_quoted(std::string_view& text) {
  std::string value;
  while (!text.empty() && text.front() != '"') {
    const bool is_hex = text.size() >= 4 && text[0] == '\\' && text[1] == 'x' &&
                        hex_digit(text[2]) >= 0 && hex_digit(text[3]) >= 0;
    if (is_hex) {
      value.push_back(static_cast<char>(hex_digit(text[2]) * 16 + hex_digit(text[3])));
      text.remove_prefix(4);
      continue;
    }
    if (text.front() == '\\' && text.size() > 1) text.remove_prefix(1);
    value.push_back(text.front());
    text.remove_prefix(1);
  }
  if (!text.empty()) text.remove_prefix(1);
  return value;
}

DecisionFields parse_logfmt(std::string_view text) {
  DecisionFields fields;
  while (!text.empty() && fields.size() < kMaxFields) {
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) break;
    std::string name(trim(text.substr(0, equals)));
    text.remove_prefix(equals + 1);
    std::string value;
    if (!text.empty() && text.front() == '"') {
      text.remove_prefix(1);
      value = take_quoted(text);
    } else {
      const std::size_t end = std::min(text.find(' '), text.size());
      value = std::string(text.substr(0, end));
      text.remove_prefix(end);
    }
    fields.emplace(std::move(name), std::move(value));
  }
  return fields;
}

std::optional<DecisionFields> parse_json(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object() || json.size() > kMaxFields) return std::nullopt;
  DecisionFields fields;
  for (const auto& [name, value] : json.items()) {
    if (value.is_string()) fields.emplace(name, value.get<std::string>());
    if (value.is_number()) fields.emplace(name, render_number(value.get<double>()));
  }
  if (fields["ev"] != "decision") return std::nullopt;
  return fields;
}

std::string text_of(const DecisionFields& fields, std::string_view name) {
  const auto found = fields.find(name);
  return found != fields.end() ? found->second.substr(0, kMaxReplayText) : std::string();
}

std::string address_of(std::string_view path) { return std::string(mail::strip_brackets(path)); }

// "<a@b>,<c@d>,+3": what was not told is counted.
void give_recipients(std::string_view list, const std::string& refusal, ReplayEvent& event) {
  for (const std::string_view path : split(list, ',')) {
    if (path.empty()) continue;
    std::size_t more = 0;
    const bool is_count = path.front() == '+' &&
                          std::from_chars(path.data() + 1, path.data() + path.size(), more).ptr ==
                              path.data() + path.size();
    if (is_count) {
      event.recipients_not_told += std::min(more, kMaxReplayRecipients);
    } else if (event.recipients.size() < kMaxReplayRecipients) {
      event.recipients.push_back({address_of(path), refusal, false});
    }
  }
}

mail::Connection connection_of(const DecisionFields& fields) {
  mail::Connection connection;
  connection.client_ip = IpAddress::parse(text_of(fields, "client"));
  const std::string name = text_of(fields, "ptr");
  const bool has_name = !name.empty() && name != "unknown" && name.front() != '[';
  connection.client_name = has_name ? name : "unknown";
  connection.resolve = has_name ? mail::ClientResolve::Ok : mail::ClientResolve::NoName;
  if (has_name) connection.client_ptr = name;
  return connection;
}

std::string reply_of(const DecisionFields& fields) {
  std::string text = text_of(fields, "code");
  for (const char* name : {"ecode", "msg"})
    text += (text.empty() ? "" : " ") + text_of(fields, name);
  return text;
}

// False: the line is about something that a later line tells better.
bool give_event(const DecisionFields& fields, ReplayEvent& event) {
  const std::string stage = text_of(fields, "stage"), act = text_of(fields, "act");
  const bool is_refused = act == "reject" || act == "defer" || act == "disconnect";
  const bool is_end = stage == "end";
  if ((!is_refused && !is_end) || stage == "connect" || stage == "helo" || stage == "command")
    return false;
  event.session = text_of(fields, "sid");
  event.connection = connection_of(fields);
  if (!event.connection.client_ip) return false;
  if (const std::string helo = text_of(fields, "helo"); !helo.empty()) event.helo = helo;
  if (const std::string user = text_of(fields, "auth"); !user.empty())
    event.login = mail::Login{user, {}};
  event.sender = address_of(text_of(fields, "from"));
  event.queue_id = text_of(fields, "qid");
  if (const std::string size = text_of(fields, "size"); !size.empty()) {
    std::int64_t bytes = 0;
    std::from_chars(size.data(), size.data() + size.size(), bytes);
    event.size = bytes;
  }
  const bool is_one_recipient = stage == "rcpt";
  if (is_refused && !is_one_recipient) event.refusal = reply_of(fields);
  give_recipients(text_of(fields, "to"),
                  is_refused && is_one_recipient ? reply_of(fields) : std::string(), event);
  return true;
}

}  // namespace

std::optional<DecisionFields> parse_decision_line(std::string_view line) {
  if (const std::size_t at = line.find("ev=decision ");
      at != std::string_view::npos && (at == 0 || line[at - 1] == ' '))
    return parse_logfmt(line.substr(at));
  const std::size_t at = line.find("{\"ev\":\"decision\"");
  return at != std::string_view::npos ? parse_json(line.substr(at)) : std::nullopt;
}

bool DecisionReader::next(DecisionFields& fields, TimePoint& at) {
  std::string_view line;
  while (lines_->next(line)) {
    ++counts_.lines;
    std::string_view rest = line;
    auto time = time_.take(rest);
    auto parsed = parse_decision_line(line);
    if (!parsed) {
      if (line.find("decision") != std::string_view::npos) ++counts_.not_understood;
      continue;
    }
    if (const auto own = parsed->find("at"); own != parsed->end()) {
      if (const auto exact = parse_datetime(own->second)) time = exact;
    }
    if (!time) {
      ++counts_.not_understood;
      continue;
    }
    at = *time;
    fields = std::move(*parsed);
    return true;
  }
  return false;
}

bool DecisionLogSource::next(ReplayEvent& event) {
  DecisionFields fields;
  TimePoint at;
  while (reader_.next(fields, at)) {
    event = ReplayEvent();
    event.at = at;
    if (give_event(fields, event)) return true;
  }
  return false;
}

}  // namespace sluice::app
