// RuleEvidence: what one rule did to whom: how often, to how many senders and clients, with which
// answers, and samples. Bounded: beyond kMaxDistinct senders or clients it says "more than";
// kMaxSamples samples of different senders, the latest; texts are cut. Not thread-safe.
#pragma once
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/clock.h"

namespace sluice::app {

// Counts different texts up to a limit.
class DistinctCount {
 public:
  static constexpr std::size_t kMaxDistinct = 10'000;
  void add(std::string_view text);
  std::size_t count() const { return seen_.size(); }
  bool is_full() const { return is_full_; }
  std::string text() const;  // "42", "more than 10,000"

 private:
  std::unordered_set<std::uint64_t> seen_;
  bool is_full_ = false;
};

struct EvidenceSample {
  TimePoint at{};
  std::string client, from, to, answer, note;
};

class RuleEvidence {
 public:
  static constexpr std::size_t kMaxSamples = 5;
  static constexpr std::size_t kMaxAnswers = 20;
  static constexpr std::size_t kMaxSampleText = 200;

  void add(EvidenceSample sample);
  std::uint64_t count() const { return count_; }
  const DistinctCount& senders() const { return senders_; }
  const DistinctCount& clients() const { return clients_; }
  const std::map<std::string, std::uint64_t>& answers() const { return answers_; }
  std::string answers_text() const;  // "541 5.7.1" or "450 4.7.1 (12), 541 5.7.1 (3)"
  const std::vector<EvidenceSample>& samples() const { return samples_; }

  // Adds count, senders, clients, answers and samples.
  void tell(nlohmann::ordered_json& json) const;
  // One line for each sample, indented.
  std::string samples_text() const;

 private:
  std::uint64_t count_ = 0;
  DistinctCount senders_, clients_;
  std::map<std::string, std::uint64_t> answers_;
  std::vector<EvidenceSample> samples_;
  std::size_t oldest_ = 0;
};

std::string grouped(std::uint64_t n);  // "1,234,567"

}  // namespace sluice::app
