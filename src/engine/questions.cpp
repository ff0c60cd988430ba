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

template <class Answer>
const Answer* Questions::read(const TimedLookup<Answer>& lookup) {
  if (const auto* timed = lookup->get()) return &timed->answer;
  missing_.emplace_back(
      [lookup](std::function<void()> wake) { return lookup->await(std::move(wake)); });
  return nullptr;
}

const DnsAnswer* Questions::dns(std::string_view name, DnsType type, TimePoint deadline) {
  std::string key(name);
  key += ' ';
  key += dns_type_name(type);
  auto found = dns_.find(key);
  if (found == dns_.end()) {
    int& asked = is_of_signatures(name, type) ? signatures_asked_ : dns_asked_;
    if (backends_.dns == nullptr || asked >= facts::kMaxDnsLookups) return &budget_used_up();
    ++asked;
    auto lookup = std::make_shared<Lookup<Timed<DnsAnswer>>>();
    found = dns_.emplace(std::move(key), lookup).first;
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

const SpamAnswer* Questions::spam(const Ask<SpamAnswer>& ask) { return read_or_ask(spam_, ask); }

const VirusAnswer* Questions::virus(const Ask<VirusAnswer>& ask) {
  return read_or_ask(virus_, ask);
}

const CalloutAnswer* Questions::callout(const CalloutQuestion& question, TimePoint deadline) {
  static const CalloutAnswer off{CalloutStatus::NotConfigured, {}};
  static const CalloutAnswer too_many{CalloutStatus::Budget, {}};
  if (backends_.callout == nullptr) return &off;
  if (!callouts_) callouts_ = std::make_unique<decltype(callouts_)::element_type>();
  auto& lookup = (*callouts_)[question.address()];
  if (!lookup) {
    if (callouts_asked_ >= facts::kMaxCallouts) {
      callouts_->erase(question.address());
      return &too_many;
    }
    ++callouts_asked_;
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
  for (const auto& await_one : missing_) {
    auto arrived = round->expect();
    if (!await_one([arrived] { arrived({}); })) arrived({});
  }
  missing_.clear();
}

std::int64_t Questions::total_us() const {
  std::int64_t total = forgotten_us_;
  for (const auto& [key, lookup] : dns_) {
    if (const auto* timed = lookup->get()) total += timed->took_us;
  }
  return total;
}

std::int64_t Questions::waited_us() const {
  return dns_.empty() ? 0 : total_us() - begin_event_us_;
}

void Questions::begin_transaction() {
  dns_asked_ = signatures_asked_ = 0;
  spam_.reset();
  virus_.reset();
  callouts_asked_ = 0;
  if (callouts_)
    std::erase_if(*callouts_, [](const auto& entry) { return entry.second->get() != nullptr; });
  if (callouts_ && callouts_->empty()) callouts_.reset();
  if (dns_.empty()) return;
  forgotten_us_ = total_us();
  std::erase_if(dns_, [](const auto& entry) { return entry.second->get() != nullptr; });
}

}  // namespace sluice::engine
