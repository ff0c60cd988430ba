#include "app/replay_suggest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "app/rule_evidence.h"
#include "base/text.h"
#include "mail/address.h"
#include "mail/domain.h"

namespace sluice::app {
namespace {

constexpr std::array<const char*, kSuggestedPeriods.size()> kPeriodNames{"1m", "1h", "1d"};

std::string domain_of(const std::string& address) {
  const std::string_view domain = mail::split_at_last_at(address).domain;
  if (domain.empty()) return {};
  return mail::to_ascii_domain(domain).value_or(fold(domain));
}

std::string mailbox_of(const std::string& address) {
  const auto parsed = mail::parse_mailbox(address, mail::Utf8::Allowed);
  return parsed ? parsed->key() : fold(address);
}

std::string login_of(const ReplayEvent& event, const ReplayRecipient&) {
  return event.login ? fold(event.login->user) : "";
}

bool is_stranger(const ReplayEvent& event) { return !event.login; }

const LimitCandidate::Kind kKinds[] = {
    {"per-login", "auth.user", "rcpt", "auth.user is set", true, login_of},
    {"per-client", "client.ip", "mail", "auth.user is none", false,
     [](const ReplayEvent& event, const ReplayRecipient&) {
       return is_stranger(event) && event.connection.client_ip
                  ? event.connection.client_ip->to_string()
                  : std::string();
     }},
    {"per-network", "client.net", "mail", "auth.user is none", false,
     [](const ReplayEvent& event, const ReplayRecipient&) {
       return is_stranger(event) && event.connection.client_ip
                  ? client_network(*event.connection.client_ip).to_string()
                  : std::string();
     }},
    {"per-sender-domain", "sender.domain", "mail", "auth.user is none and sender.domain is set",
     false,
     [](const ReplayEvent& event, const ReplayRecipient&) {
       return is_stranger(event) ? domain_of(event.sender) : std::string();
     }},
    {"per-sender", "sender.address", "mail", "auth.user is none and sender.address is set", false,
     [](const ReplayEvent& event, const ReplayRecipient&) {
       return is_stranger(event) && !event.sender.empty() ? mailbox_of(event.sender)
                                                          : std::string();
     }},
    {"per-recipient-domain", "rcpt.domain", "rcpt", "auth.user is none", true,
     [](const ReplayEvent& event, const ReplayRecipient& to) {
       return is_stranger(event) ? domain_of(to.address) : std::string();
     }},
    {"per-recipient", "rcpt.address", "rcpt", "auth.user is none", true,
     [](const ReplayEvent& event, const ReplayRecipient& to) {
       return is_stranger(event) ? mailbox_of(to.address) : std::string();
     }},
};

}  // namespace

std::int64_t PeakCounts::percentile(double share) const {
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(keys_)));
  std::uint64_t below = 0;
  for (const auto& [peak, count] : counts_) {
    below += count;
    if (below >= wanted) return peak;
  }
  return 0;
}

void LimitCandidate::add(const ReplayEvent& event, TimePoint at) {
  std::map<std::string, std::int64_t> units;
  for (const ReplayRecipient& recipient : event.recipients) {
    if (!recipient.refusal.empty()) continue;
    const std::string key = kind_.key_of(event, recipient);
    if (!key.empty()) units[key] = kind_.counts_recipients ? units[key] + 1 : 1;
  }
  for (const auto& [key, n] : units) count(key, n, at);
}

void LimitCandidate::count(const std::string& key, std::int64_t n, TimePoint at) {
  const auto found = by_key_.find(key);
  if (found != by_key_.end()) {
    uses_.splice(uses_.begin(), uses_, found->second);
  } else {
    make_room(at);
    uses_.emplace_front().key = key;
    by_key_[key] = uses_.begin();
  }
  Use& use = uses_.front();
  use.last = at;
  for (std::size_t i = 0; i < kSuggestedPeriods.size(); ++i) {
    use.series[i].refresh(at);
    use.series[i].add_units(n, at);
    use.peaks[i] = std::max(use.peaks[i], use.series[i].used());
    if (use.peaks[i] > most_[i]) {
      most_[i] = use.peaks[i];
      busiest_[i] = key;
    }
  }
}

void LimitCandidate::make_room(TimePoint at) {
  if (uses_.size() < kMaxKeys) return;
  const Use& idle = uses_.back();
  // Sub-windows make a day a little longer.
  const Duration longest =
      kSuggestedPeriods.back() + kSuggestedPeriods.back() / backends::kSubWindows;
  if (at - idle.last < longest) is_cut_short_ = true;
  for (std::size_t i = 0; i < kSuggestedPeriods.size(); ++i) gone_[i].add(idle.peaks[i]);
  by_key_.erase(idle.key);
  uses_.pop_back();
}

std::uint64_t LimitCandidate::keys() const { return gone_[0].keys() + uses_.size(); }

std::array<PeakCounts, kSuggestedPeriods.size()> LimitCandidate::peaks() const {
  auto all = gone_;
  for (const Use& use : uses_)
    for (std::size_t i = 0; i < kSuggestedPeriods.size(); ++i) all[i].add(use.peaks[i]);
  return all;
}

LimitSuggestion::LimitSuggestion() {
  for (const LimitCandidate::Kind& kind : kKinds) candidates_.emplace_back(kind);
}

void LimitSuggestion::add(const ReplayEvent& event) {
  if (event.kind != ReplayEvent::Kind::Transaction || !event.was_accepted()) return;
  if (messages_++ == 0) first_ = event.at;
  now_ = std::max(now_, event.at);
  for (LimitCandidate& candidate : candidates_) candidate.add(event, now_);
}

std::string LimitSuggestion::yaml() const {
  std::string text = fmt::format(
      "# The smallest limits that would have refused nothing of {} accepted messages, {} to {}.\n"
      "# Leave room above them: next month is not this one. `sluice replay -c FILE LOG` shows what "
      "a smaller one refuses.\n"
      "sluice: 1\npolicy: suggested-limits\nrules:\n",
      grouped(messages_), render_datetime(first_), render_datetime(now_));
  for (const LimitCandidate& candidate : candidates_) {
    if (candidate.keys() == 0) continue;
    const LimitCandidate::Kind& kind = candidate.kind();
    const char* counted = kind.counts_recipients ? "recipients" : "messages";
    text += fmt::format("\n  # {}: {} different; {} of each at most in a window:\n", kind.key,
                        grouped(candidate.keys()), counted);
    if (candidate.is_cut_short())
      text +=
          "  # (more keys at once than were kept: the numbers below the most are a little low)\n";
    const auto peaks = candidate.peaks();
    std::string max;
    for (std::size_t i = 0; i < peaks.size(); ++i) {
      text += fmt::format("  #   in {}: half of them {}, 95% {}, 99% {}, 99.9% {}, most {} ({})\n",
                          kPeriodNames[i], peaks[i].percentile(0.5), peaks[i].percentile(0.95),
                          peaks[i].percentile(0.99), peaks[i].percentile(0.999), peaks[i].most(),
                          log_value(candidate.busiest(i).substr(0, RuleEvidence::kMaxSampleText)));
      max += fmt::format("{}{}/{}", max.empty() ? "" : ", ", peaks[i].most(), kPeriodNames[i]);
    }
    text += fmt::format(
        "  - limit: {}\n    stage: {}\n    when: {}\n    key: {}\n    count: {}\n    max: {}\n",
        kind.name, kind.stage, kind.when, kind.key, counted, max);
  }
  return text;
}

void LimitSuggestion::tell(nlohmann::ordered_json& json) const {
  json = nlohmann::ordered_json::array();
  for (const LimitCandidate& candidate : candidates_) {
    nlohmann::ordered_json row{{"key", candidate.kind().key},
                               {"stage", candidate.kind().stage},
                               {"when", candidate.kind().when}};
    row["count"] = candidate.kind().counts_recipients ? "recipients" : "messages";
    row["keys"] = candidate.keys();
    row["is_cut_short"] = candidate.is_cut_short();
    const auto peaks = candidate.peaks();
    for (std::size_t i = 0; i < peaks.size(); ++i) {
      row["use"][kPeriodNames[i]] = {
          {"p50", peaks[i].percentile(0.5)},  {"p95", peaks[i].percentile(0.95)},
          {"p99", peaks[i].percentile(0.99)}, {"p999", peaks[i].percentile(0.999)},
          {"most", peaks[i].most()},          {"busiest", candidate.busiest(i)}};
    }
    json.push_back(std::move(row));
  }
}

}  // namespace sluice::app
