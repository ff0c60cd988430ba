// A FactContext for tests: plain members to fill, DNS answers given by name and type (a missing one
// is pending unless nothing_is_pending, then NXDOMAIN).
#pragma once
#include <map>
#include <string>

#include "facts/fact.h"

namespace sluice::facts {

class FactFixture : public FactContext {
 public:
  mail::Connection connection_;
  mail::Tls tls_;
  std::optional<std::string> helo_;
  std::optional<mail::Envelope> envelope_;
  std::optional<mail::Recipient> recipient_;
  RecipientCounts counts_;
  std::vector<mail::Recipient> accepted_;
  std::optional<mail::Message> message_;
  std::string profile_ = "normal", command_, timezone_;
  double score_ = 0;
  TimePoint now_{};
  FactSettings settings_;
  std::map<std::pair<std::string, backends::DnsType>, backends::DnsAnswer> dns_;
  bool nothing_is_pending_ = true;
  std::optional<TimePoint> first_seen_;
  policy::ProgramPtr program_;
  std::map<std::string, policy::Value, std::less<>> found_;
  MessageContent* content_ = nullptr;
  MessageSignatures* signatures_ = nullptr;
  std::optional<backends::SpamAnswer> spam_;
  std::optional<backends::VirusAnswer> virus_;
  std::map<std::string, backends::CalloutStatus> callouts_;  // by address; absent: pending
  backends::CalloutAnswer callout_;

  const mail::Connection& connection() const override { return connection_; }
  const mail::Tls& tls() const override { return tls_; }
  const std::string* helo() const override { return helo_ ? &*helo_ : nullptr; }
  const mail::Envelope* envelope() const override { return envelope_ ? &*envelope_ : nullptr; }
  const mail::Recipient* recipient() const override { return recipient_ ? &*recipient_ : nullptr; }
  const RecipientCounts* recipient_counts() const override { return &counts_; }
  const std::vector<mail::Recipient>& accepted_recipients() const override { return accepted_; }
  const mail::Message* message() const override { return message_ ? &*message_ : nullptr; }
  const MessageContent* content() override { return content_; }
  MessageSignatures* signatures() override { return signatures_; }
  const std::string* profile() const override { return &profile_; }
  double score() const override { return score_; }
  int unknown_commands() const override { return 3; }
  const std::string& command() const override { return command_; }
  TimePoint now() const override { return now_; }
  const std::string& timezone() const override { return timezone_; }
  const FactSettings& settings() const override { return settings_; }
  const policy::Program& program() const override { return *program_; }
  const backends::DnsAnswer* dns(std::string_view name, backends::DnsType type) override {
    const auto at = dns_.find({std::string(name), type});
    if (at != dns_.end()) return &at->second;
    static const backends::DnsAnswer kNxDomain{backends::DnsStatus::NxDomain, {}, false};
    return nothing_is_pending_ ? &kNxDomain : nullptr;
  }
  const backends::SpamAnswer* spam() override { return spam_ ? &*spam_ : nullptr; }
  const backends::VirusAnswer* virus() override { return virus_ ? &*virus_ : nullptr; }
  const backends::CalloutAnswer* callout(const backends::CalloutQuestion& question) override {
    const auto at = callouts_.find(question.address());
    if (at == callouts_.end()) return nullptr;
    callout_.status = at->second;
    return &callout_;
  }
  const std::optional<TimePoint>* first_seen(const IpAddress&) override { return &first_seen_; }
  const policy::Value* fact(std::string_view name) override {
    const Fact* fact = find_fact(name);
    if (fact == nullptr) return nullptr;
    const Outcome outcome = fact->resolve(*this);
    if (!outcome) return nullptr;
    return &(found_[std::string(name)] = *outcome);
  }

  // Value of a fact by name; nullopt: pending.
  Outcome ask(std::string_view name) { return find_fact(name)->resolve(*this); }

  void give(const std::string& name, backends::DnsType type,
            std::vector<backends::DnsRecord> records) {
    dns_[{name, type}] = {backends::DnsStatus::Ok, std::move(records), false};
  }
  void give(const std::string& name, backends::DnsType type, backends::DnsStatus status) {
    dns_[{name, type}] = {status, {}, false};
  }
  static backends::DnsRecord address(std::string_view ip) { return {*IpAddress::parse(ip), "", 0}; }
  static backends::DnsRecord name(std::string_view text, int preference = 0) {
    return {{}, std::string(text), static_cast<std::uint16_t>(preference)};
  }
};

}  // namespace sluice::facts
