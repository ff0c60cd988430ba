// OpenMetrics: metrics as text (OpenMetrics 1.0.0). A family is begun once, then come its samples; the
// text ends with finish(). Numbers that are whole are written whole.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/counters.h"

namespace sluice::app {

class OpenMetrics {
 public:
  static constexpr const char* kContentType =
      "application/openmetrics-text; version=1.0.0; charset=utf-8";
  enum class Type : std::uint8_t { Gauge, Counter, Histogram, Text };  // Text: an "info" metric
  using Labels = std::vector<std::pair<std::string_view, std::string>>;

  // name: without _total, _info and the like; with its unit as the last word when it has one.
  void family(std::string_view name, Type type, std::string_view unit, std::string_view help);
  // Of the family at hand. Histogram: use durations().
  void sample(double value, const Labels& labels = {});
  void durations(const DurationCounts& counts, const Labels& labels);
  std::string finish();

 private:
  void line(std::string_view suffix, const Labels& labels, const std::string& value);
  std::string text_, name_;
  Type type_ = Type::Gauge;
};

}  // namespace sluice::app
