#include "app/history_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/control_arguments.h"
#include "app/service.h"
#include "base/text.h"

namespace sluice::app {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::size_t kShown = 50, kTopShown = 20, kSameAddress = 20;
constexpr Duration kTopSince{24 * 3'600'000LL};

ControlReply away(const Error& error) {
  return refusal(kTemporary, "the history cannot be read: " + error.what);
}

// "2h" ago, or a date and time.
std::optional<TimePoint> time_of(const std::string& text, TimePoint now) {
  if (const auto ago = parse_duration(text)) return now - *ago;
  return parse_datetime(text);
}

// What is wrong with the arguments, or the filter.
Result<HistoryFilter> filter_of(const HistoryPlaces& places, const json& a, std::size_t limit) {
  HistoryFilter f;
  f.limit = limit;
  f.refusals = text_of(a, "all").empty();
  for (const auto& [name, place] : {std::pair{"since", &f.since}, std::pair{"until", &f.until}}) {
    const std::string text = text_of(a, name);
    if (text.empty()) continue;
    const auto time = time_of(text, places.now);
    if (!time)
      return permanent(fmt::format("--{} `{}` is neither a time (2026-11-25T10:00Z) nor how long "
                                   "ago (2h)", name, text));
    *place = *time;
  }
  f.rule = text_of(a, "rule");
  f.stage = text_of(a, "stage");
  if (!f.stage.empty() && !mail::parse_stage(f.stage))
    return permanent("--stage `" + f.stage + "` is no stage: connect helo mail rcpt data headers end");
  f.from = text_of(a, "from");
  f.to = text_of(a, "to");
  f.or_from = places.history.redaction().addresses(f.from);
  f.or_to = places.history.redaction().addresses(f.to);
  f.text = text_of(a, "text");
  if (const std::string text = text_of(a, "client"); !text.empty()) {
    f.client = Network::parse(text);
    if (!f.client) return permanent("--client `" + text + "` is no address or network");
  }
  for (const auto& [name, most] : {std::pair{"code", 999}, std::pair{"limit", 5000}}) {
    const std::string text = text_of(a, name);
    if (text.empty()) continue;
    const auto value = number(text);
    if (!value || *value < 1 || *value > most)
      return permanent(fmt::format("--{} `{}` is no number from 1 to {}", name, text, most));
    if (std::string_view(name) == "code") f.code = static_cast<int>(*value);
    else f.limit = static_cast<std::size_t>(*value);
  }
  if (const std::string text = text_of(a, "after"); !text.empty())
    f.after = std::max<std::int64_t>(1, number(text).value_or(1));
  return f;
}

std::string clock_text(TimePoint t) {
  return render_datetime(std::chrono::floor<std::chrono::seconds>(t));
}

// Of a table: what does not fit ends with a dot.
std::string cell(const std::string& text, std::size_t width) {
  std::string shown = text.empty() ? "-" : log_value(text);
  if (shown.size() <= width) return shown;
  shown.resize(width - 1);
  while (!shown.empty() && (static_cast<unsigned char>(shown.back()) & 0xC0) == 0x80) shown.pop_back();
  if (!shown.empty() && (static_cast<unsigned char>(shown.back()) & 0x80) != 0) shown.pop_back();
  return shown + "~";
}

std::string answer_text(const HistoryEntry& e) {
  if (e.code != 0) return fmt::format("{} {}", e.code, e.status);
  if (e.is_refusal()) return std::string(mail::action_name(e.action));
  return e.stage == mail::Stage::End ? "accepted" : "continue";
}

std::string rule_text(const HistoryEntry& e) {
  if (!e.rule.empty()) return e.rule;
  return e.would.empty() ? "" : "(shadow) " + e.would;
}

ordered_json to_json(const std::vector<HistoryEntry>& entries) {
  ordered_json list = ordered_json::array();
  for (const HistoryEntry& e : entries) list.push_back(app::to_json(e, false));
  return list;
}

// --- why ---

bool is_id_letter(char c) {
  return std::string_view("0123456789ABCDEFGHJKMNPQRSTVWXYZ").find(c) != std::string_view::npos;
}

std::string upper(std::string text) {
  for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

// "(id 4F7K2C)" as it is read out, "<ann@far.example>" as it stands in a log.
std::string stripped(const std::string& what) {
  std::string_view text = trim(what);
  if (text.size() > 4 && equal_folded(text.substr(0, 4), "(id ")) text.remove_prefix(4);
  while (!text.empty() && (text.back() == ')' || text.back() == '>' || text.back() == '.'))
    text.remove_suffix(1);
  while (!text.empty() && (text.front() == '<' || text.front() == '(')) text.remove_prefix(1);
  return std::string(text);
}

std::vector<HistoryFilter> readings_of(const std::string& what, const Redaction& redaction) {
  std::vector<HistoryFilter> readings;
  HistoryFilter f;
  f.limit = kSameAddress;
  if (what.find('@') != std::string::npos) {
    f.mentions = what;
    f.or_from = redaction.addresses(what);
    f.refusals = true;
    readings.push_back(f);
    f.refusals = false;
    readings.push_back(f);
    return readings;
  }
  const std::string id = upper(what);
  if (id.size() == 6 && std::all_of(id.begin(), id.end(), is_id_letter)) {
    readings.push_back(f);
    readings.back().id = id;
  }
  readings.push_back(f);
  readings.back().qid = what;
  readings.push_back(f);
  readings.back().sid = id;
  return readings;
}

// Of several that fit: the refusal that was last, else what was last.
std::size_t most_telling(const std::vector<HistoryEntry>& entries) {
  for (std::size_t i = 0; i < entries.size(); ++i)
    if (entries[i].is_refusal()) return i;
  return 0;
}

}  // namespace

std::string render_trace(const std::vector<engine::RuleTrace>& trace) {
  std::string text;
  for (const engine::RuleTrace& rule : trace) {
    std::string saw;
    for (const auto& [name, value] : rule.values)
      saw += (saw.empty() ? "" : ", ") + log_value(name) + "=" + log_value(value);
    if (!rule.note.empty()) saw += (saw.empty() ? "" : "; ") + rule.note;
    text += fmt::format("  {}  {:<8} {:<8} {:<28} {}\n", rule.result, mail::stage_name(rule.stage),
                        rule.kind, log_value(rule.rule), saw);
  }
  return text;
}

std::string render_why(const HistoryEntry& e, const std::vector<HistoryEntry>& session) {
  std::string text = fmt::format("{}  {}  {} at {}{}\n", e.id.empty() ? e.sid : e.id, clock_text(e.at),
                                 answer_text(e), mail::stage_name(e.stage),
                                 e.text.empty() ? "" : ": " + e.text);
  const auto line = [&text](const char* name, const std::string& value) {
    if (!value.empty()) text += fmt::format("{:<10} {}\n", name, value);
  };
  line("rule", e.rule.empty() ? "" : log_value(e.rule) + (e.rev.empty() ? "" : " (revision " + e.rev + ")"));
  line("would", e.would);
  line("policy", e.policy);
  line("client", log_value(e.client) + (e.ptr.empty() || e.ptr[0] == '[' ? "" : " [" + log_value(e.ptr) + "]") +
                     (e.helo.empty() ? "" : " helo " + log_value(e.helo)));
  line("from", e.from.empty() ? "" : log_value(e.from) + (e.auth.empty() ? "" : " login " + log_value(e.auth)));
  line("to", e.to.empty() ? "" : log_value(e.to));
  line("session", e.sid + (e.qid.empty() ? "" : ", queue id " + log_value(e.qid)));
  line("time", fmt::format("{} us in all, {} us waiting for the store, {} us for DNS{}", e.duration_us,
                           e.store_us, e.dns_us, e.degraded ? "; the store was away" : ""));
  line("exempt", e.exempt);
  line("unknown", e.unknown);
  line("marked by", e.marks);
  line("log", e.log.empty() ? "" : log_value(e.log));
  const auto trace = unpack_trace(e.trace);
  if (trace.empty()) {
    text += "no trace was kept of this one\n";
  } else {
    text += "tried, in this order (T matched, F did not, ? unknown, x exempt, s shadow)\n" +
            render_trace(trace);
  }
  if (session.size() > 1) text += "the session\n" + render_table(session, false);
  return text;
}

std::string render_table(const std::vector<HistoryEntry>& entries, bool with_header) {
  std::string text;
  if (with_header)
    text = fmt::format("{:<20} {:<6} {:<7} {:<10} {:<24} {:<22} {:<30} {}\n", "TIME", "ID", "STAGE",
                       "ANSWER", "RULE", "CLIENT", "FROM", "TO");
  for (const HistoryEntry& e : entries)
    text += fmt::format("{:<20} {:<6} {:<7} {:<10} {:<24} {:<22} {:<30} {}\n", clock_text(e.at),
                        e.id.empty() ? "-" : e.id, mail::stage_name(e.stage), answer_text(e),
                        cell(rule_text(e), 24), cell(e.client, 22), cell(e.from, 30), cell(e.to, 60));
  return text;
}

ControlReply why_command(const HistoryPlaces& places, const json& arguments) {
  const std::string what = stripped(text_of(arguments, "what"));
  std::vector<HistoryFilter> readings = readings_of(what, places.history.redaction());
  if (const auto key = number(text_of(arguments, "key")); key && *key > 1) {
    readings.assign(1, HistoryFilter());
    readings[0].key = *key;
  } else if (what.empty()) return usage("name the id of a refusal, a queue id or an address");
  for (const HistoryFilter& filter : readings) {
    const auto found = places.history.read([&](HistoryFile& file) { return file.find(filter); });
    if (!found) return away(found.error());
    if (found->entries.empty()) continue;
    const HistoryEntry& entry = found->entries[most_telling(found->entries)];
    const auto session = places.history.read([&](HistoryFile& file) { return file.session(entry.sid); });
    if (!session) return away(session.error());
    ControlReply reply;
    reply.text = render_why(entry, session->entries);
    ordered_json out = app::to_json(entry, true);
    out["session"] = to_json(session->entries);
    const bool is_more = found->entries.size() > 1 && !filter.mentions.empty();
    if (is_more) {
      reply.text += fmt::format("the last {} that name {}\n", found->entries.size(), log_value(what)) +
                    render_table(found->entries, false);
      out["others"] = to_json(found->entries);
    }
    reply.json = dump(out);
    return reply;
  }
  return refusal(kNoInput, "nothing is known of `" + log_value(what) +
                               "`: no id of a refusal, no queue id, no session and no address of "
                               "what the history keeps");
}

// --- history ---

ControlReply history_command(const HistoryPlaces& places, const json& arguments) {
  const auto filter = filter_of(places, arguments, kShown);
  if (!filter) return usage(filter.error().what);
  auto rows = places.history.read([&](HistoryFile& file) { return file.find(*filter); });
  if (!rows) return away(rows.error());
  if (filter->after == 0) std::reverse(rows->entries.begin(), rows->entries.end());
  ControlReply reply;
  const bool is_following = filter->after != 0;
  reply.text = rows->entries.empty() && !is_following
                   ? "nothing there\n"
                   : render_table(rows->entries, !is_following);
  if (rows->is_cut)
    reply.text += "looked back to " + clock_text(rows->looked_back_to) +
                  ", then the time was up; --since and --until narrow it\n";
  ordered_json out{{"decisions", to_json(rows->entries)}};
  if (rows->entries.empty() && !is_following) {
    // Where `--follow` goes on from.
    HistoryFilter any;
    any.limit = 1;
    const auto newest = places.history.read([&](HistoryFile& file) { return file.find(any); });
    if (newest && !newest->entries.empty())
      out["newest"] = std::to_string(newest->entries.front().key);
  }
  if (rows->is_cut) out["looked_back_to"] = clock_text(rows->looked_back_to);
  reply.json = dump(out);
  return reply;
}

// --- top ---

ControlReply top_command(const HistoryPlaces& places, const json& arguments) {
  std::string by = text_of(arguments, "by");
  if (by.empty()) by = "rule";
  const bool limits = by == "limit";
  auto filter = filter_of(places, arguments, kTopShown);
  if (!filter) return usage(filter.error().what);
  if (filter->since == TimePoint{}) filter->since = places.now - kTopSince;
  filter->refusals = by == "rule" || by == "code" || limits;
  const std::size_t most = filter->limit;
  if (limits) filter->limit = kMaxHistoryRows;
  bool is_cut = false;
  TimePoint back{};
  auto counts = places.history.read(
      [&](HistoryFile& file) { return file.top(limits ? "rule" : by, *filter, is_cut, back); });
  if (!counts && counts.error().cause == Cause::Permanent)
    return usage("--by is rule, client, from, to, code or limit");
  if (!counts) return away(counts.error());
  if (limits) {
    std::erase_if(*counts, [&](const HistoryCount& count) {
      const auto& rules = places.program->rules();
      return std::none_of(rules.begin(), rules.end(), [&](const policy::Rule& rule) {
        return rule.kind == policy::RuleKind::Limit && rule.name == count.name;
      });
    });
    if (counts->size() > most) counts->resize(most);
  }
  const std::string since = clock_text(is_cut ? back : filter->since);
  ControlReply reply;
  ordered_json list = ordered_json::array();
  reply.text = fmt::format("since {}{}\n{:>10} {:>10}  {}\n", since,
                           is_cut ? " (then the time was up)" : "", "REFUSED",
                           filter->refusals ? "" : "OF ALL", upper(by));
  for (const HistoryCount& count : *counts) {
    reply.text += fmt::format("{:>10} {:>10}  {}\n", count.refused,
                              filter->refusals ? "" : std::to_string(count.all), log_value(count.name));
    ordered_json row{{by, count.name}, {"refused", count.refused}};
    if (!filter->refusals) row["all"] = count.all;
    list.push_back(std::move(row));
  }
  if (counts->empty()) reply.text = "since " + since + " nothing was refused\n";
  reply.json = dump({{"since", since}, {"by", by}, {"top", std::move(list)}});
  return reply;
}

// --- series ---

ControlReply series_command(const HistoryPlaces& places, const json& arguments) {
  static constexpr std::string_view kWhat[] = {"act", "code", "rule", "stage", "would"};
  const std::string what = text_of(arguments, "what");
  if (std::find(std::begin(kWhat), std::end(kWhat), what) == std::end(kWhat))
    return usage("what is act, code, rule, stage or would");
  const std::int64_t hours = std::clamp<std::int64_t>(number(text_of(arguments, "hours")).value_or(3), 1, 168);
  const Duration step = std::chrono::minutes{hours <= 3 ? 1 : hours <= 24 ? 10 : 60};
  const TimePoint since = places.now - std::chrono::hours{hours};
  const auto points = places.history.read([&](HistoryFile& file) { return file.series(what, since, step); });
  if (!points) return away(points.error());
  ordered_json series = ordered_json::object();
  for (const HistoryPoint& point : *points)
    series[point.name].push_back({point.at.time_since_epoch().count() / 1000, point.n});
  ControlReply reply;
  reply.json = dump({{"now", places.now.time_since_epoch().count() / 1000},
                     {"since", since.time_since_epoch().count() / 1000},
                     {"step", step.count() / 1000},
                     {"series", std::move(series)}});
  return reply;
}

}  // namespace sluice::app
