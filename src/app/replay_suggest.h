// LimitSuggestion: how much of each thing that a limit may count was really used by the mail that
// was accepted, and the smallest limits that would have refused none of it.
//
// Use is counted as the state store counts it (sliding windows of 60 sub-windows), so that a limit
// of the most that was used holds to the unit: `max` refuses nothing of this log, one less refuses
// something of it. (A limit also holds what is on its way at the moment, as attempts that are
// refused later: where these are many, leave room.)
//
// Memory: of each candidate kMaxKeys keys at a time; keys without use for the longest window leave
// only their numbers. Beyond kMaxKeys keys at once the ones idle for longest are cut short, which
// is said. One thread.
#pragma once
#include <array>
#include <list>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "app/replay_event.h"
#include "backends/limit_series.h"

namespace sluice::app {

inline constexpr std::array<Duration, 3> kSuggestedPeriods{Duration{60'000}, Duration{3'600'000},
                                                           Duration{86'400'000}};

// The most that each key used in any window of one length, as a distribution.
class PeakCounts {
 public:
  void add(std::int64_t peak) { ++counts_[peak], ++keys_; }
  std::uint64_t keys() const { return keys_; }
  std::int64_t most() const { return counts_.empty() ? 0 : counts_.rbegin()->first; }
  // The smallest peak that `share` (0 to 1) of the keys do not exceed.
  std::int64_t percentile(double share) const;

 private:
  std::map<std::int64_t, std::uint64_t> counts_;
  std::uint64_t keys_ = 0;
};

// One key expression with what is counted for it.
class LimitCandidate {
 public:
  static constexpr std::size_t kMaxKeys = 30'000;
  struct Kind {
    const char* name;  // of the limit
    const char* key;   // the expression
    const char* stage;
    const char* when;        // "": always
    bool counts_recipients;  // else messages
    // The key of the message or of one recipient; empty: not counted.
    std::string (*key_of)(const ReplayEvent& event, const ReplayRecipient& recipient);
  };
  explicit LimitCandidate(const Kind& kind) : kind_(kind) {}

  void add(const ReplayEvent& event, TimePoint at);
  const Kind& kind() const { return kind_; }
  bool is_cut_short() const { return is_cut_short_; }
  std::uint64_t keys() const;
  const std::string& busiest(std::size_t period) const { return busiest_[period]; }
  // Of all keys so far.
  std::array<PeakCounts, kSuggestedPeriods.size()> peaks() const;

 private:
  struct Use {
    std::string key;
    TimePoint last{};
    std::array<backends::LimitSeries, kSuggestedPeriods.size()> series{
        backends::LimitSeries(backends::SeriesKind::Units, kSuggestedPeriods[0]),
        backends::LimitSeries(backends::SeriesKind::Units, kSuggestedPeriods[1]),
        backends::LimitSeries(backends::SeriesKind::Units, kSuggestedPeriods[2])};
    std::array<std::int64_t, kSuggestedPeriods.size()> peaks{};
  };
  void count(const std::string& key, std::int64_t n, TimePoint at);
  void make_room(TimePoint at);

  const Kind& kind_;
  std::list<Use> uses_;  // the one used last in front
  std::unordered_map<std::string, std::list<Use>::iterator> by_key_;
  std::array<PeakCounts, kSuggestedPeriods.size()> gone_;
  std::array<std::int64_t, kSuggestedPeriods.size()> most_{};
  std::array<std::string, kSuggestedPeriods.size()> busiest_;
  bool is_cut_short_ = false;
};

class LimitSuggestion {
 public:
  LimitSuggestion();
  void add(const ReplayEvent& event);
  const std::vector<LimitCandidate>& candidates() const { return candidates_; }
  // A policy of limits with the numbers as comments, ready to paste.
  std::string yaml() const;
  void tell(nlohmann::ordered_json& json) const;

 private:
  std::vector<LimitCandidate> candidates_;
  TimePoint now_{};
  std::uint64_t messages_ = 0;
  TimePoint first_{};
};

}  // namespace sluice::app
