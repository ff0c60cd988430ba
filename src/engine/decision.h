// DecisionRecord: all that is told about one answer: to the log line, the metrics, the history and
// `why`.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "mail/stage.h"
#include "mail/verdict.h"
#include "policy/value.h"

namespace sluice::engine {

// One rule as it was tried: T F ? exempt, the values it saw.
struct RuleTrace {
  std::string rule;
  std::string kind;
  mail::Stage stage = mail::Stage::Connect;
  char result = 'F';  // T F ? - (not reached) x (exempt) s (shadow: would have)
  std::string note;   // "by=trusted-hosts", "used 9 of 10/1m", "unknown=spf.result(timeout)"
  std::vector<std::pair<std::string, std::string>> values;
};

struct Would {  // a shadow rule that would have answered
  std::string rule;
  int code = 0;
  std::string status;
};

struct DecisionRecord {
  TimePoint at{};
  std::string sid, qid, id;  // session (ULID), queue id, short id shown to the client
  mail::Stage stage = mail::Stage::Connect;  // of the event that was answered
  mail::Stage rule_stage = mail::Stage::Connect;
  mail::Verdict verdict;
  std::string rule, rev, policy;  // policy: "mx-example@2026-11-23.1#5f3a"
  bool weak = false;
  std::string client, ptr, helo, from, to, auth;
  std::int64_t size = -1;  // -1: not known
  double score = 0;
  std::int64_t duration_us = 0, store_us = 0, dns_us = 0;
  bool degraded = false;             // the store was away
  std::vector<std::string> exempt;   // "no-rdns by trusted-hosts"
  std::vector<std::string> unknown;  // "spf.result(timeout)"
  std::vector<Would> would;
  std::vector<std::string> marks;  // rules that marked quarantine or discard
  std::vector<std::string> log;    // texts of `log` actions
  std::vector<RuleTrace> trace;    // as Services::trace and trace_answers say
};

// Threads: called from any front end thread; must not block on I/O.
class DecisionSink {
 public:
  virtual ~DecisionSink() = default;
  // Whether the names, addresses and texts of a decision are read (sid, qid, client, ptr, helo, from,
  // to, auth): most answers are "continue", which is only counted. `record` has all but them.
  virtual bool reads_texts(const DecisionRecord& /*record*/) const { return true; }
  virtual void decided(const DecisionRecord& record) = 0;
};

}  // namespace sluice::engine
