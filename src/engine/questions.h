// Questions: what the facts of one session ask of resolver and scanners. Asked as soon as a fact
// wants to know; the answers of all are waited for together.
//
// Threads: the session's; backends complete into look-ups that outlive the session.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "backends/callout.h"
#include "backends/dns_resolver.h"
#include "backends/scanner.h"
#include "base/text.h"
#include "engine/lookup.h"
#include "engine/round.h"

namespace sluice::engine {

class Questions {
 public:
  struct Backends {
    backends::DnsResolver* dns = nullptr;
    backends::Callout* callout = nullptr;
  };
  explicit Questions(Backends backends) : backends_(backends) {}

  // nullptr: not there yet; the round will wait for it. Beyond facts::kMaxDnsLookups of a
  // transaction: Budget. Keys and DMARC records have that many of their own.
  const backends::DnsAnswer* dns(std::string_view name, backends::DnsType type, TimePoint deadline);
  // `ask` is called once for a message, by the first who wants to know.
  template <class Answer>
  using Ask = std::function<void(std::function<void(Answer)> done)>;
  const backends::SpamAnswer* spam(const Ask<backends::SpamAnswer>& ask);
  const backends::VirusAnswer* virus(const Ask<backends::VirusAnswer>& ask);
  // Beyond facts::kMaxCallouts of a transaction: Budget. One without an answer at the deadline is
  // not given up: it is still waited for here, for the next event that asks.
  const backends::CalloutAnswer* callout(const backends::CalloutQuestion& question,
                                         TimePoint deadline);

  // From now on the round waits for what was found missing since the last begin_pass().
  void begin_pass() {
    if (asked_) asked_->missing.clear();
  }
  void await(const std::shared_ptr<Round>& round);
  // A new transaction: answers of the last one are forgotten (facts that have read them keep their
  // values), what is still open stays.
  void begin_transaction();

  std::int64_t waited_us() const;
  void begin_event() {
    if (asked_) asked_->begin_event_us = total_us();
  }

 private:
  template <class Answer>
  struct Timed {
    Answer answer;
    std::int64_t took_us = 0;
  };
  template <class Answer>
  using TimedLookup = std::shared_ptr<Lookup<Timed<Answer>>>;
  template <class Answer>
  const Answer* read(const TimedLookup<Answer>& lookup);
  template <class Answer>
  const Answer* read_or_ask(TimedLookup<Answer>& lookup, const Ask<Answer>& ask);
  std::int64_t total_us() const;

  // What was asked. Most sessions ask nothing, or have nothing open between their messages.
  struct Asked {
    std::unordered_map<std::string, TimedLookup<backends::DnsAnswer>, KeyedHash> dns;
    TimedLookup<backends::SpamAnswer> spam;
    TimedLookup<backends::VirusAnswer> virus;
    std::unordered_map<std::string, TimedLookup<backends::CalloutAnswer>, KeyedHash>
        callouts;  // by address
    int dns_asked = 0, signatures_asked = 0, callouts_asked = 0;
    std::int64_t forgotten_us = 0, begin_event_us = 0;
    std::vector<std::function<bool(std::function<void()>)>> missing;
  };
  Asked& asked();

  Backends backends_;
  std::unique_ptr<Asked> asked_;
};

}  // namespace sluice::engine
