// Callout: asks the mail server of an address whether it would take mail for it
// (sender.deliverable, rcpt.deliverable). What could not be found out is never a no.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace sluice::backends {

// A valid address, in its parts: local part as written (quotes kept), domain as lower-case A-labels
// or as an address literal with its brackets.
struct CalloutQuestion {
  std::string local_part;
  std::string domain;

  std::string address() const { return local_part + "@" + domain; }
};

enum class CalloutStatus : std::uint8_t {
  Accepted,  // 250, 251, 252 to RCPT
  Refused,   // the server, or the DNS (no such domain, null MX), says that there is no such mailbox
  Temporary,  // not at the moment (4yz)
  NoAnswer,   // no connection, or no reply in time
  Dropped,    // closed, reset or garbled in mid-dialogue
  // From here on nothing is known of the address.
  Undecided,  // the server refused us, not the address; or we may not ask it (private addresses)
  ServFail,   // the DNS failed
  Timeout,    // not known by the deadline; it goes on, and is known when asked later
  Budget,     // our own limits: sessions, rate, time
  NotConfigured,  // callouts are off
};
std::string_view callout_status_name(CalloutStatus status);  // "no_answer"
inline bool is_known(CalloutStatus status) { return status < CalloutStatus::Undecided; }

struct CalloutAnswer {
  CalloutStatus status = CalloutStatus::Timeout;
  std::string said;  // by whom and what, for a person: "192.0.2.1: rcpt: 550 5.1.1 no such user"
};

using CalloutDone = std::function<void(const CalloutAnswer&)>;

// Threads: ask() from any thread; `done` exactly once, inline or on the callout's own thread, by
// `deadline` at the latest (Timeout).
class Callout {
 public:
  virtual ~Callout() = default;
  virtual void ask(const CalloutQuestion& question, TimePoint deadline, CalloutDone done) = 0;
};

// For tests: answers inline what it was given by address; Undecided for the rest.
class GivenCallout final : public Callout {
 public:
  void add(const std::string& address, CalloutStatus status) { given_[address] = status; }
  void ask(const CalloutQuestion& question, TimePoint, CalloutDone done) override {
    ++asked;
    const auto found = given_.find(question.address());
    done({found != given_.end() ? found->second : CalloutStatus::Undecided, "given"});
  }
  int asked = 0;

 private:
  std::map<std::string, CalloutStatus> given_;
};

}  // namespace sluice::backends
