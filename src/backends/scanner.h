// Scanners: what a spam or virus scanner says of one message. Away or too slow is `available ==
// false`, never "clean".
//
// A message is given while it comes: begin() at the end of its header, feed() piece by piece,
// finish() when a rule wants to know. A scanner keeps at most its own cap of it.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace sluice::backends {

// What a scanner may want to know of the session.
struct ScanEnvelope {
  std::string client_ip, client_name, helo, login, queue_id, mta_name;
  std::string sender;  // as in MAIL, with brackets
  std::vector<std::string> recipients;
};

struct SpamAnswer {
  bool available = false;
  double score = 0;    // never NaN or infinite
  std::string action;  // rspamd's word; empty for spamd
  std::vector<std::string> symbols;
};
struct VirusAnswer {
  bool available = false;
  std::optional<std::string> name;  // none: nothing found
};

// One message on its way to a scanner. Threads: one at a time, not always the same. The destructor
// gives the scan up; a `done` or `wake` that runs just then may still be told.
template <class Answer>
class Scan {
 public:
  virtual ~Scan() = default;
  // The next piece of the message as the MTA will deliver it: CRLF line ends, Received line of this
  // hop on top. False: nothing more of it is read.
  virtual bool feed(std::string bytes) = 0;
  // True: it holds as much as it may, and runs `wake` once, on any thread, when there is room. What
  // is fed before that makes the answer unavailable.
  virtual bool await_room(std::function<void()> wake) = 0;
  // All has been fed. `done` exactly once, on any thread, by `deadline` at the latest.
  virtual void finish(TimePoint deadline, std::function<void(Answer)> done) = 0;
};

// Threads: any. Outlives its scans.
template <class Answer>
class Scanner {
 public:
  virtual ~Scanner() = default;
  virtual std::unique_ptr<Scan<Answer>> begin(std::shared_ptr<const ScanEnvelope> envelope) = 0;
};

using SpamScan = Scan<SpamAnswer>;
using VirusScan = Scan<VirusAnswer>;
using SpamScanner = Scanner<SpamAnswer>;
using VirusScanner = Scanner<VirusAnswer>;

}  // namespace sluice::backends
