// Session: one SMTP session as the policy sees it. A front end (libmilter adapter, wire engine,
// `sluice test`, explain) turns bytes into these events and the Answer back into bytes; it decides
// nothing.
//
// Events give a Progress: the answer, or "waiting" while a round of look-ups is open. The front end
// then waits for the Round (or parks the session) and calls resume(); what is missing at the
// deadline is unknown. A session is used by one thread at a time, not always the same one. Backends
// never call into a session, they only fill its Round.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/callout.h"
#include "backends/dns_resolver.h"
#include "backends/scanner.h"
#include "backends/state_store.h"
#include "base/clock.h"
#include "engine/decision.h"
#include "engine/round.h"
#include "facts/fact.h"
#include "mail/session_view.h"
#include "mail/verdict.h"
#include "policy/program.h"

namespace sluice::engine {

class Ledger;

// The caps of `resources:` in the service configuration, with their defaults.
struct Resources {
  std::size_t recipients = 2'000;  // beyond it RCPT answers 452 4.5.3
  std::size_t headers = 1'000;     // kept for facts; the rest only counts
  std::size_t header_bytes = 256 * 1024;
  std::size_t body_bytes = 8u << 20;   // kept when a rule reads the body
  std::size_t argument_bytes = 4'096;  // of one HELO, MAIL or RCPT argument; longer ones are cut
  std::size_t trace_rules = 2'000;
  std::size_t traces_per_second = 500;  // of Services::trace_answers, all sessions together
  Duration delay{20'000};  // longest answer delay
  std::size_t delayed_sessions = 200;
};

// Values that a test or `explain --given` fixes, by name. Recipient: index among this message's
// recipients, path for maps.
class GivenFacts {
 public:
  virtual ~GivenFacts() = default;
  // nullptr: not given. `header` stands for every header("X").
  virtual const policy::Value* find(const std::string& fact, const mail::Recipient* recipient) = 0;
};

// What all sessions share. Pointers outlive every session; null backends make their facts unknown
// (Unsupported).
struct Services {
  const Clock* clock = nullptr;
  backends::StateStore* store = nullptr;
  // The limiter of this process alone, for `on_error: local`; answers before submit() returns.
  // Null: such limits do not act while the store is away.
  backends::StateStore* local_store = nullptr;
  // What sessions share. Null: each session has its own.
  Ledger* ledger = nullptr;
  backends::DnsResolver* dns = nullptr;
  backends::SpamScanner* spam = nullptr;
  backends::VirusScanner* virus = nullptr;
  // `engine: own`: spam.score is `score`, spam.symbols the score rules that gave points.
  bool own_spam = false;
  backends::Callout* callout = nullptr;
  DecisionSink* sink = nullptr;
  facts::FactSettings settings;
  Resources resources;
  Duration deadline{8'000};  // for one answer, over all backends
  Duration message_deadline{60'000};
  bool reply_id = true;  // "(id 4F7K2C)" at the end of refusals
  bool trace = false;    // keep RuleTrace in every record
  // Keep it in records of answers and of what shadow rules would have answered, up to
  // Resources::traces_per_second. Costs nothing where the answer is "continue".
  bool trace_answers = false;
  // Given facts (tests, explain): asked before anything else. Null: none.
  GivenFacts* given = nullptr;
};

struct Answer {
  mail::Verdict verdict;
  DecisionRecord record;  // what was sent to the sink
};

// Answer, or empty while waiting.
using Progress = std::optional<Answer>;

class Session {
 public:
  // `services` outlives the session.
  Session(const Services& services, policy::ProgramPtr program);
  ~Session();  // releases what is still reserved
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const policy::Program& program() const;
  // Header and body are wanted whatever the rules read: for Authentication-Results.
  bool wants_content() const;
  const std::string& sid() const;

  // Events, in the order of the protocol. What the MTA learned late (TLS and login macros, queue
  // id) is given with the event at which it is known. Each must be answered (Progress set) before
  // the next is given.
  Progress connect(mail::Connection connection);
  Progress helo(std::string name, mail::Tls tls);
  Progress mail_from(mail::Envelope envelope, mail::Tls tls);
  Progress rcpt_to(mail::Recipient recipient, std::string queue_id);
  Progress data(std::string queue_id);
  Progress unknown_command(std::string line);
  // Content: no answer; capped by Resources.
  void header(std::string name, std::string value);
  Progress end_of_headers(std::string queue_id = {});
  // True: those who read the body while it comes hold as much as they may. The front end then waits
  // for round(), until deadline() at the latest, before it gives the next chunk; one that cannot
  // wait goes on, and their facts may become unknown.
  bool body(std::string_view chunk);
  Progress end_of_message(std::string queue_id);
  // RSET, a failed MAIL, a client that is gone in mid-message. After an answered dot it releases
  // nothing.
  void abort();

  // After a wait. `deadline_passed`: look-ups still open count as unknown from now on.
  Progress resume(bool deadline_passed);
  Round& round();
  TimePoint deadline() const;  // of the open event, or of the pause that body() asked for

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::engine
