// SmtpCallout: callouts over SMTP. Finds the domain's mail hosts (mail_hosts.h), asks them one
// after another with a null sender up to RCPT (smtp_client.h), and remembers what they said.
//
// - Private, loopback and reserved addresses are never connected to, nor this host's own, unless
//   Options::allow names them.
// - Who asks what is asked already waits for the same answer (single flight).
// - What was found out is kept for kept_for(status); answers about a host before RCPT hold for all
//   addresses of the domain.
// - A deadline is kept whatever the servers do: the waiting one gets Timeout, the callout goes on
//   to the end of Options::timeout and is known to who asks later.
// - Sessions at once and a minute are limited (callout_limits.h), and so is who waits: beyond it
//   Budget.
//
// Threads: ask(), counts() and recent() from any; `done` comes inline for what is known, else on
// the loop's thread. The destructor, not on the loop's thread, answers what still waits with
// Timeout.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backends/callout.h"
#include "backends/callout_limits.h"
#include "backends/dns_resolver.h"
#include "backends/event_loop.h"
#include "base/clock.h"
#include "base/ip_address.h"

namespace sluice::backends {

inline constexpr std::size_t kMaxCallouts = 500;  // asked at once, those that wait included
inline constexpr std::size_t kMaxCalloutWaiters = 10'000;  // callers
inline constexpr std::size_t kMaxRecentCallouts = 10;

struct CalloutOptions {
  std::string helo = "localhost";  // our name
  std::string from = "<>";
  std::uint16_t port = 25;
  Duration timeout{30'000};    // of one callout, over all hosts
  Duration cache{86'400'000};  // of a yes
  CalloutLimits::Options limits;
  std::vector<Network> allow;
  // For tests; empty: the steady clock, the interfaces.
  std::function<std::chrono::steady_clock::time_point()> now;
  std::function<std::vector<IpAddress>()> own_addresses;
};

// Counted since the start.
struct CalloutCounts {
  std::uint64_t asked = 0;           // by callers
  std::uint64_t cached = 0;          // answered at once
  std::uint64_t joined = 0;          // waited for a callout that was under way
  std::uint64_t sessions = 0;        // opened
  std::uint64_t late = 0;            // callers whose deadline passed
  std::uint64_t forbidden = 0;       // domains all of whose hosts may not be asked
  std::uint64_t by_status[10] = {};  // outcomes of callouts, by CalloutStatus
  std::size_t open = 0;              // sessions now

  std::uint64_t of(CalloutStatus status) const { return by_status[static_cast<int>(status)]; }
};

class SmtpCallout final : public Callout {
 public:
  // loop, dns and clock (of deadlines) outlive it.
  SmtpCallout(EventLoop& loop, DnsResolver& dns, const Clock& clock, CalloutOptions options);
  ~SmtpCallout() override;

  void ask(const CalloutQuestion& question, TimePoint deadline, CalloutDone done) override;

  CalloutCounts counts() const;
  // The latest outcomes that were no yes, newest first: "ann@far.example refused (192.0.2.1: rcpt:
  // 550 5.1.1 no such user)".
  std::vector<std::string> recent() const;

 private:
  class Desk;
  class Gate;
  EventLoop& loop_;
  const Clock& clock_;
  std::shared_ptr<Gate> gate_;
  std::unique_ptr<Desk> desk_;
};

}  // namespace sluice::backends
