#include "engine/questions.h"

#include <chrono>

#include "facts/fact.h"

namespace sluice::engine {

using backends::CalloutAnswer;
using backends::CalloutQuestion;
using backends::CalloutStatus;
using backends::DnsAnswer;
using backends::DnsStatus;
using backends::DnsType;
using backends::SpamAnswer;
using backends::VirusAnswer;

namespace {

using SteadyPoint = std::chrono::steady_clock::time_point;

std::int64_t since_us(SteadyPoint start) {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() -
                                                               start)
      .count();
}

// Beyond the deadline of the event, which the session keeps by itself.
constexpr Duration kCalloutLag{60'000};

// Keys and DMARC records: what one domain's SPF record makes us ask must not hide what another domain
// says.
bool is_of_signatures(std::string_view name, DnsType type) {
  return type == DnsType::Txt &&
         (name.substr(0, 7) == "_dmarc." || name.find("._domainkey.") != std::string_view::npos);
}

const DnsAnswer& budget_used_up() {
  static const DnsAnswer answer{.status = DnsStatus::Budget, .records = {}};
  return answer;
}

}  // namespace

Questions::Asked& Questions::asked() {
  if (!asked_) asked_ = std::make_unique<Asked>();
  return *asked_;
}

template <class Answer>
const Answer* Questions::read(const TimedLookup<Answer>& lookup) {
  if (const auto* timed = lookup->get()) return &timed->answer;
  asked().missing.emplace_back(
      [lookup](std::function<void()> wake) { return lookup->await(std::move(wake)); });
  return nullptr;
}

const DnsAnswer* Questions::dns(std::string_view name, DnsType type, TimePoint deadline) {
  std::string key(name);
  key += ' ';
  key += dns_type_name(type);
  Asked& all = asked();
  auto found = all.dns.find(key);
  if (found == all.dns.end()) {
    int& count = is_of_signatures(name, type) ? all.signatures_asked : all.dns_asked;
    if (backends_.dns == nullptr || count >= facts::kMaxDnsLookups) return &budget_used_up();
    ++count;
    auto lookup = std::make_shared<Lookup<Timed<DnsAnswer>>>();
    found = all.dns.emplace(std::move(key), lookup).first;
    backends_.dns->query(
        std::string(name), type, deadline,
        [lookup, start = std::chrono::steady_clock::now()](const DnsAnswer& answer) {
          lookup->deliver({answer, since_us(start)});
        });
  }
  return read(found->second);
}

template <class Answer>
const Answer* Questions::read_or_ask(TimedLookup<Answer>& lookup, const Ask<Answer>& ask) {
  if (!lookup) {
    lookup = std::make_shared<Lookup<Timed<Answer>>>();
    ask([lookup, start = std::chrono::steady_clock::now()](Answer answer) {
      lookup->deliver({std::move(answer), since_us(start)});
    });
  }
  return read(lookup);
}

const SpamAnswer* Questions::spam(const Ask<SpamAnswer>& ask) { return read_or_ask(asked().spam, ask); }

const VirusAnswer* Questions::virus(const Ask<VirusAnswer>& ask) {
  return read_or_ask(asked().virus, ask);
}

const CalloutAnswer* Questions::callout(const CalloutQuestion& question, TimePoint deadline) {
  static const CalloutAnswer off{CalloutStatus::NotConfigured, {}};
  static const CalloutAnswer too_many{CalloutStatus::Budget, {}};
  if (backends_.callout == nullptr) return &off;
  Asked& all = asked();
  auto& lookup = all.callouts[question.address()];
  if (!lookup) {
    if (all.callouts_asked >= facts::kMaxCallouts) {
      all.callouts.erase(question.address());
      return &too_many;
    }
    ++all.callouts_asked;
    lookup = std::make_shared<Lookup<Timed<CalloutAnswer>>>();
    backends_.callout->ask(
        question, deadline + kCalloutLag,
        [kept = lookup, start = std::chrono::steady_clock::now()](const CalloutAnswer& answer) {
          kept->deliver({answer, since_us(start)});
        });
  }
  return read(lookup);
}

void Questions::await(const std::shared_ptr<Round>& round) {
  if (!asked_) return;
  for (const auto& await_one : asked_->missing) {
    auto arrived = round->expect();
    if (!await_one([arrived] { arrived({}); })) arrived({});
  }
  asked_->missing.clear();
}

std::int64_t Questions::total_us() const {
  if (!asked_) return 0;
  std::int64_t total = asked_->forgotten_us;
  for (const auto& [key, lookup] : asked_->dns) {
    if (const auto* timed = lookup->get()) total += timed->took_us;
  }
  return total;
}

std::int64_t Questions::waited_us() const {
  return !asked_ || asked_->dns.empty() ? 0 : total_us() - asked_->begin_event_us;
}

void Questions::begin_transaction() {
  if (!asked_) return;
  const auto is_answered = [](const auto& entry) { return entry.second->get() != nullptr; };
  Asked& all = *asked_;
  all.dns_asked = all.signatures_asked = all.callouts_asked = 0;
  all.spam.reset();
  all.virus.reset();
  std::erase_if(all.callouts, is_answered);
  all.forgotten_us = total_us();
  std::erase_if(all.dns, is_answered);
  if (all.dns.empty() && all.callouts.empty() && all.missing.empty()) asked_.reset();
}

}  // namespace sluice::engine
