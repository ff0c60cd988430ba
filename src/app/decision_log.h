// The decision log: one line per decision, logfmt or JSON, with fixed names. It is an interface:
// scripts and `sluice replay` read it.
//   ev=decision sid=… qid=… id=… stage=… act=… code=… ecode=… rule=… rev=… mode=… policy=… client=…
//   ptr=… helo=… from=… to=… auth=… size=… score=… dur_us=… store_us=… dns_us=… degraded=… exempt=…
//   unknown=… would=… msg="…"
// Fields that are empty are left out of logfmt and null in JSON.
#pragma once
#include <string>

#include "engine/decision.h"

namespace sluice::app {

// Continue answers before the end of a message are told only when they have something to tell: a
// rule that would have answered or that an exemption skipped, a fact that was unknown, a text to log.
bool is_worth_a_line(const engine::DecisionRecord& record);
std::string logfmt_line(const engine::DecisionRecord& record);
std::string json_line(const engine::DecisionRecord& record);

class DecisionLog final : public engine::DecisionSink {
 public:
  explicit DecisionLog(bool json) : json_(json) {}
  bool reads_texts(const engine::DecisionRecord& record) const override {
    return is_worth_a_line(record);
  }
  void decided(const engine::DecisionRecord& record) override;

 private:
  bool json_;
};

}  // namespace sluice::app
