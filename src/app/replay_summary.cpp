#include "app/replay_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace sluice::app {
namespace {

using nlohmann::ordered_json;

const ReplayRecipient& recipient_at(const ReplayEvent& event, std::size_t i) {
  static const ReplayRecipient kNobody;
  return i < event.recipients.size() ? event.recipients[i] : kNobody;
}

bool was_accepted(const ReplayEvent& event, std::size_t i) {
  return event.refusal.empty() && i < event.recipients.size() &&
         event.recipients[i].refusal.empty();
}

std::string name_of(const Ruling& ruling) {
  return ruling.rule.empty() ? "(no rule)" : ruling.rule;
}

void note(RuleTolls& tolls, const std::string& rule, const ReplayEvent& event, std::size_t i,
          const std::string& answer, bool is_weak) {
  if (tolls.size() >= kMaxTolls && tolls.count(rule) == 0) return;
  RuleToll& toll = tolls[rule];
  const bool accepted = was_accepted(event, i);
  if (accepted) ++toll.accepted_then;
  if (is_weak) ++toll.weak;
  const std::string client =
      event.connection.client_ip ? event.connection.client_ip->to_string() : "";
  std::string told = event.login ? "login " + log_value(event.login->user) : "";
  if (!accepted) told += told.empty() ? "refused then too" : ", refused then too";
  toll.evidence.add({event.at, client, event.sender, recipient_at(event, i).address, answer, told});
}

std::vector<RuleTolls::const_iterator> busiest_first(const RuleTolls& tolls) {
  std::vector<RuleTolls::const_iterator> order;
  for (auto it = tolls.begin(); it != tolls.end(); ++it) order.push_back(it);
  std::stable_sort(order.begin(), order.end(), [](auto a, auto b) {
    return a->second.evidence.count() > b->second.evidence.count();
  });
  return order;
}

std::string toll_text(const std::string& rule, const RuleToll& toll) {
  const RuleEvidence& evidence = toll.evidence;
  std::string text =
      fmt::format("  {}: {} to {} recipients ({} accepted then), {} senders, {} clients\n", rule,
                  evidence.answers_text(), grouped(evidence.count()), grouped(toll.accepted_then),
                  evidence.senders().text(), evidence.clients().text());
  if (toll.weak > 0)
    text +=
        fmt::format("    {} of them only until the sender tries again, or until a fact is known\n",
                    grouped(toll.weak));
  return text + evidence.samples_text();
}

std::string tolls_text(const char* title, const RuleTolls& tolls) {
  if (tolls.empty()) return {};
  std::string text = fmt::format("\n{}\n", title);
  for (const auto& it : busiest_first(tolls)) text += toll_text(it->first, it->second);
  return text;
}

ordered_json tolls_json(const RuleTolls& tolls) {
  ordered_json list = ordered_json::array();
  for (const auto& it : busiest_first(tolls)) {
    ordered_json row{{"rule", it->first},
                     {"accepted_then", it->second.accepted_then},
                     {"weak", it->second.weak}};
    it->second.evidence.tell(row);
    list.push_back(std::move(row));
  }
  return list;
}

struct Line {
  mail::Action action;
  const char* name;
  const char* meaning;
};
constexpr Line kLines[] = {
    {mail::Action::Continue, "passed", "passed"},
    {mail::Action::Reject, "rejected", "refused for good (5yz)"},
    {mail::Action::Defer, "deferred", "refused for now (4yz)"},
    {mail::Action::Disconnect, "disconnected", "disconnected (421)"},
    {mail::Action::Quarantine, "quarantined", "held in quarantine"},
    {mail::Action::Discard, "discarded", "discarded"},
};

}  // namespace

void ReplaySummary::add(const ReplayEvent& event, const std::vector<Ruling>& rulings) {
  if (event.kind != ReplayEvent::Kind::Transaction) return;
  if (messages_++ == 0) first_ = event.at;
  last_ = std::max(last_, event.at);
  not_told_ += event.recipients_not_told;
  for (std::size_t i = 0; i < rulings.size(); ++i) {
    const Ruling& ruling = rulings[i];
    ++recipients_;
    ++(was_accepted(event, i) ? accepted_then_ : refused_then_);
    ++counts_[static_cast<std::size_t>(ruling.action)];
    if (ruling.is_weak) ++weak_;
    if (!ruling.passes()) note(rules_, name_of(ruling), event, i, ruling.answer(), ruling.is_weak);
  }
}

std::string ReplaySummary::text() const {
  std::string text = fmt::format(
      "{} messages, {} recipients, {} to {}\nin the log: {} accepted, {} refused\n",
      grouped(messages_), grouped(recipients_), messages_ > 0 ? render_datetime(first_) : "-",
      messages_ > 0 ? render_datetime(last_) : "-", grouped(accepted_then_),
      grouped(refused_then_));
  if (not_told_ > 0)
    text += fmt::format("{} more recipients of these messages are not in the log\n",
                        grouped(not_told_));
  text += "\nwith this policy, recipients\n";
  for (const Line& line : kLines) {
    const std::uint64_t count = of(line.action);
    if (count > 0 || line.action == mail::Action::Continue)
      text += fmt::format(
          "  {:<24} {:>12} {:>6.2f}%\n", line.meaning, grouped(count),
          recipients_ > 0 ? 100.0 * static_cast<double>(count) / static_cast<double>(recipients_)
                          : 0.0);
  }
  if (weak_ > 0)
    text +=
        fmt::format("  {} of these only until the sender tries again, or until a fact is known\n",
                    grouped(weak_));
  return text + tolls_text("by rule", rules_);
}

void ReplaySummary::tell(ordered_json& json) const {
  json["messages"] = messages_;
  json["recipients"] = recipients_;
  json["from"] = messages_ > 0 ? render_datetime(first_) : "";
  json["to"] = messages_ > 0 ? render_datetime(last_) : "";
  json["accepted_then"] = accepted_then_;
  json["refused_then"] = refused_then_;
  json["recipients_not_told"] = not_told_;
  json["weak"] = weak_;
  for (const Line& line : kLines) json[line.name] = of(line.action);
  json["rules"] = tolls_json(rules_);
}

void ReplayComparison::add(const ReplayEvent& event, const std::vector<Ruling>& before,
                           const std::vector<Ruling>& after) {
  if (event.kind != ReplayEvent::Kind::Transaction) return;
  for (std::size_t i = 0; i < std::min(before.size(), after.size()); ++i) {
    const Ruling& old = before[i];
    const Ruling& fresh = after[i];
    if (old.action == fresh.action && old.code == fresh.code && old.status == fresh.status &&
        (old.passes() || old.rule == fresh.rule)) {
      ++same_;
      continue;
    }
    ++changed_;
    if (old.passes()) {
      note(newly_, name_of(fresh), event, i, fresh.answer(), fresh.is_weak);
    } else if (fresh.passes()) {
      note(no_longer_, name_of(old), event, i, old.answer(), false);
    } else {
      const std::string rule =
          name_of(old) == name_of(fresh) ? name_of(old) : name_of(old) + " -> " + name_of(fresh);
      note(differently_, rule, event, i, old.answer() + " -> " + fresh.answer(), fresh.is_weak);
    }
  }
}

std::string ReplayComparison::text() const {
  std::string text = fmt::format("{} recipients are answered as before, {} are not\n",
                                 grouped(same_), grouped(changed_));
  return text + tolls_text("newly refused, by rule", newly_) +
         tolls_text("no longer refused, by the rule that did", no_longer_) +
         tolls_text("refused differently", differently_);
}

void ReplayComparison::tell(ordered_json& json) const {
  json["same"] = same_;
  json["changed"] = changed_;
  json["newly_refused"] = tolls_json(newly_);
  json["no_longer_refused"] = tolls_json(no_longer_);
  json["answered_differently"] = tolls_json(differently_);
}

}  // namespace sluice::app
