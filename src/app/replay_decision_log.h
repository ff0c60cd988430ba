// DecisionLogSource: the mail that Sluice's own decision log tells of (app/decision_log.h), logfmt
// or JSON, with or without a syslog date in front. A refusal is one event; a message that reached
// its end is one event with its recipients. What the log leaves out (answers that continued before
// the end, connections without a message) is not there.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "app/line_reader.h"
#include "app/log_time.h"
#include "app/replay_source.h"

namespace sluice::app {

// One line of the decision log; fields that are empty or null are left out. nullopt: it is no
// decision.
using DecisionFields = std::map<std::string, std::string, std::less<>>;
std::optional<DecisionFields> parse_decision_line(std::string_view line);

// The decisions of a file with their times.
class DecisionReader {
 public:
  explicit DecisionReader(std::unique_ptr<LineReader> lines)
      : lines_(std::move(lines)), time_(lines_->modified()) {}
  // False: there is nothing more. Lines that are no decisions are passed over.
  bool next(DecisionFields& fields, TimePoint& at);
  ReplayCounts counts() const { return counts_; }
  const LineReader& lines() const { return *lines_; }

 private:
  std::unique_ptr<LineReader> lines_;
  LogTime time_;
  ReplayCounts counts_;
};

class DecisionLogSource final : public ReplaySource {
 public:
  explicit DecisionLogSource(std::unique_ptr<LineReader> lines) : reader_(std::move(lines)) {}

  bool next(ReplayEvent& event) override;
  ReplayCounts counts() const override { return reader_.counts(); }
  std::uint64_t position() const override { return reader_.lines().position(); }
  std::uint64_t length() const override { return reader_.lines().length(); }

 private:
  DecisionReader reader_;
};

}  // namespace sluice::app
