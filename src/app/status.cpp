#include "app/status.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "app/control_arguments.h"
#include "app/dns_list_watch.h"
#include "base/text.h"

namespace sluice::app {
namespace {

constexpr std::size_t kRulesShown = 20;
using nlohmann::ordered_json;

Duration seconds_only(Duration d) { return std::chrono::duration_cast<std::chrono::seconds>(d); }

std::string attached(const ServiceStatus& s) {
  if (s.draining) return "stopping";
  return s.sessions_served == 0 ? "no MTA has connected yet" : "attached";
}

std::string broken(const ServiceStatus& s) {
  if (s.sessions_broken == 0) return {};
  return fmt::format(", {} ended for breaking the protocol", s.sessions_broken);
}

std::string reload_line(const ReloadState& reload) {
  std::string line =
      fmt::format("generation {}, loaded {}", reload.generation, render_datetime(reload.loaded));
  if (!reload.last_ok) line += "; the last reload FAILED, the policy before it stays";
  return line;
}

// One line for each listening socket, when there is something to tell apart.
std::string place_lines(const ServiceStatus& s) {
  std::string lines;
  for (const milter::PlaceCounts& place : s.places) {
    if (s.places.size() < 2 && place.not_allowed == 0 && place.turned_away == 0) continue;
    lines += fmt::format("           {}: {} open, {} accepted, {} not allowed, {} turned away\n",
                         place.at, place.open, place.accepted, place.not_allowed,
                         place.turned_away);
  }
  return lines;
}

std::string rule_table(const std::vector<Counters::RuleCount>& rules) {
  if (rules.empty()) return {};
  std::string table = fmt::format("\n{:<40} {:>10} {:>10}\n", "RULE", "ANSWERED", "WOULD");
  for (std::size_t i = 0; i < rules.size() && i < kRulesShown; ++i)
    table +=
        fmt::format("{:<40} {:>10} {:>10}\n", rules[i].rule, rules[i].answered, rules[i].would);
  return table;
}

ordered_json list_json(const backends::ListHealth& list) {
  const bool was_tested = list.tested != TimePoint{};
  return {{"zone", list.zone},
          {"state", backends::list_state_name(list.state)},
          {"why", list.why},
          {"since", render_datetime(list.since)},
          {"tested", was_tested ? ordered_json(render_datetime(list.tested)) : ordered_json()},
          {"asked", list.asked},
          {"listed", list.listed},
          {"withheld", list.withheld}};
}

std::string scanner_lines(const std::vector<backends::ScannerHealth>& scanners) {
  std::string lines;
  for (const backends::ScannerHealth& scanner : scanners) {
    lines += fmt::format("{:<10} {} scanned, {} without an answer, {} now, {} waiting\n",
                         scanner.name, scanner.scanned, scanner.unscanned, scanner.connections,
                         scanner.waiting);
    for (const backends::ScannerAddress& address : scanner.addresses)
      lines += fmt::format("           {}{}{}: {} asked, {} failed{}\n",
                           address.away ? "AWAY: " : "", address.at,
                           address.asked == 0 ? " (not asked yet)" : "", address.asked,
                           address.failed,
                           address.what.empty() ? "" : "; last failure: " + address.what);
  }
  return lines;
}

ordered_json scanners_json(const std::vector<backends::ScannerHealth>& scanners) {
  ordered_json list = ordered_json::array();
  for (const backends::ScannerHealth& scanner : scanners) {
    ordered_json addresses = ordered_json::array();
    for (const backends::ScannerAddress& address : scanner.addresses)
      addresses.push_back({{"at", address.at},
                           {"available", !address.away},
                           {"asked", address.asked},
                           {"answered", address.answered},
                           {"failed", address.failed},
                           {"last_failure", address.what}});
    list.push_back({{"name", scanner.name},
                    {"scanned", scanner.scanned},
                    {"unscanned", scanner.unscanned},
                    {"connections", scanner.connections},
                    {"waiting", scanner.waiting},
                    {"addresses", addresses}});
  }
  return list;
}

constexpr std::array kCalloutOutcomes{
    backends::CalloutStatus::Accepted,  backends::CalloutStatus::Refused,
    backends::CalloutStatus::Temporary, backends::CalloutStatus::NoAnswer,
    backends::CalloutStatus::Dropped,   backends::CalloutStatus::Undecided,
    backends::CalloutStatus::ServFail,  backends::CalloutStatus::Timeout,
    backends::CalloutStatus::Budget};

ordered_json callout_json(const ServiceStatus& s) {
  const auto& c = *s.callout;
  ordered_json json{{"asked", c.asked},        {"cached", c.cached},     {"joined", c.joined},
                    {"late", c.late},          {"sessions", c.sessions}, {"open", c.open},
                    {"forbidden", c.forbidden}};
  for (const auto status : kCalloutOutcomes)
    json["outcomes"][std::string(backends::callout_status_name(status))] = c.of(status);
  json["recent"] = s.callout_recent;
  return json;
}

std::string callout_lines(const ServiceStatus& s) {
  if (!s.callout) return {};
  const auto& c = *s.callout;
  std::string lines = fmt::format(
      "callouts   {} asked, {} from the cache, {} late; {} sessions, {} open\n           ", c.asked,
      c.cached, c.late, c.sessions, c.open);
  std::string_view separator;
  for (const auto status : kCalloutOutcomes) {
    lines += fmt::format("{}{} {}", separator, c.of(status), backends::callout_status_name(status));
    separator = ", ";
  }
  lines += "\n";
  for (const std::string& one : s.callout_recent) lines += "           " + log_value(one) + "\n";
  return lines;
}

ordered_json to_json(const ServiceStatus& s, const Counters& counters) {
  ordered_json json;
  json["state"] = attached(s);
  json["uptime_s"] = s.uptime.count() / 1000;
  json["policy"] = s.policy;
  json["rules"] = s.rules;
  json["listening"] = s.listening;
  json["addresses"] = s.addresses;
  json["engine"] = s.engine;
  json["listeners"] = ordered_json::array();
  for (const milter::PlaceCounts& place : s.places)
    json["listeners"].push_back({{"at", place.at},
                                 {"open", place.open},
                                 {"accepted", place.accepted},
                                 {"not_allowed", place.not_allowed},
                                 {"turned_away", place.turned_away}});
  json["sessions"] = {
      {"open", s.open_sessions}, {"served", s.sessions_served}, {"broken", s.sessions_broken}};
  json["reload"] = {{"generation", s.reload.generation},
                    {"loaded", render_datetime(s.reload.loaded)},
                    {"ok", s.reload.last_ok},
                    {"error", s.reload.last_error}};
  json["store"] = {{"available", s.store.available},
                   {"what", s.store.what},
                   {"degraded_minutes", s.store_degraded_minutes},
                   {"degraded_decisions", counters.degraded()}};
  json["dns"] = {{"asked", s.dns.asked},
                 {"cached", s.dns.cached},
                 {"sent", s.dns.sent},
                 {"failed", s.dns.failed},
                 {"entries", s.dns.entries}};
  json["dns_lists"] = ordered_json::array();
  for (const backends::ListHealth& list : s.lists) json["dns_lists"].push_back(list_json(list));
  json["scanners"] = scanners_json(s.scanners);
  if (s.callout) json["callout"] = callout_json(s);
  json["messages_accepted"] = counters.messages();
  for (const auto action : {mail::Action::Reject, mail::Action::Defer, mail::Action::Disconnect,
                            mail::Action::Quarantine, mail::Action::Discard})
    json["answers"][std::string(mail::action_name(action))] = counters.of(action);
  json["rules_fired"] = ordered_json::array();
  for (const auto& rule : counters.rules())
    json["rules_fired"].push_back(
        {{"rule", rule.rule}, {"answered", rule.answered}, {"would", rule.would}});
  return json;
}

std::string store_degraded(const ServiceStatus& s) {
  return s.store_degraded.empty() ? std::string() : "\n           " + s.store_degraded;
}

}  // namespace

ControlReply render_status(const ServiceStatus& s, const Counters& counters) {
  ControlReply reply;
  reply.text = fmt::format(
      "state      {}, up {}\npolicy     {}, {} rules\n           {}\nlistening  {} (engine "
      "{})\n{}sessions   {} open, {} served{}\n"
      "store      {}{}{}\ndns        {} asked, {} from the cache, {} sent, {} failed\n"
      "{}"
      "messages   {} accepted, {} quarantined, {} discarded\nanswers    {} rejected, {} deferred, "
      "{} disconnected\n",
      attached(s), render_duration(seconds_only(s.uptime)), s.policy, s.rules,
      reload_line(s.reload), s.listening, s.engine, place_lines(s), s.open_sessions,
      s.sessions_served, broken(s),
      s.store.available ? "" : "AWAY: ", s.store.what, store_degraded(s),
      s.dns.asked, s.dns.cached, s.dns.sent,
      s.dns.failed, list_lines(s.lists), counters.messages(), counters.of(mail::Action::Quarantine),
      counters.of(mail::Action::Discard), counters.of(mail::Action::Reject),
      counters.of(mail::Action::Defer), counters.of(mail::Action::Disconnect));
  reply.text += scanner_lines(s.scanners);
  reply.text += callout_lines(s);
  reply.text += rule_table(counters.rules());
  if (!s.reload.last_ok) reply.text += "\n" + s.reload.last_error + "\n";
  reply.json = dump(to_json(s, counters));
  return reply;
}

}  // namespace sluice::app
